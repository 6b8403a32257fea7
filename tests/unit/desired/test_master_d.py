"""Services of master.d/, and changes of services that nothing brings."""

from __future__ import annotations

import pytest

from reconciler.desired.budget import Budget
from reconciler.desired.load import load
from reconciler.desired.master_d import read
from reconciler.model import Desired, File, Finding
from reconciler.model.errors import InvalidSource

LINE = "private/policy unix - n n - 0 spawn user=nobody argv=/bin/true\n"


def of_files(files: dict[str, str]) -> tuple[list[str], list[Finding]]:
    """The services of a commit by their keys, and what is wrong with them."""
    findings: list[Finding] = []
    services = read({path: File.of(text.encode()) for path, text in files.items()}, findings, Budget())
    return [service.key for service in services], findings


def loaded(mail: str) -> Desired:
    return load({"mail.yaml": File.of(mail.encode())}, "mx.test.example", {})


def test_services_come_in_the_order_of_their_files_and_other_files_are_left_alone() -> None:
    files = {
        "master.d/b.cf": LINE, "master.d/a.cf": "2525 inet n - n - - smtpd\n", "master.d/c.txt": LINE, "x.cf": LINE,
    }  # fmt: skip

    assert of_files(files) == (["2525/inet", "private/policy/unix"], [])


@pytest.mark.parametrize("name", ["pickup", "relaylim"])
def test_a_service_that_is_always_there_is_a_duplicate_reported_once(name: str) -> None:
    _, findings = of_files({"master.d/a.cf": f"{name} unix n - n - - smtp\n" * 2})

    assert [(finding.rule, str(finding.where)) for finding in findings] == [
        ("duplicate-service", "master.d/a.cf:1:1"),
        ("duplicate-service", "master.d/a.cf:2:1"),
    ]


def test_a_service_of_two_files_is_a_duplicate_at_the_second() -> None:
    _, findings = of_files({"master.d/a.cf": LINE, "master.d/b.cf": LINE})

    assert [str(finding.where) for finding in findings] == ["master.d/b.cf:1:1"]


@pytest.mark.parametrize(
    "mail",
    [
        "services: {smtp/inet: {maxproc: 10}}\n",
        "services: {new/unix: {command: smtp}}\n",
        "services: {smtp/inet: null}\n",
        "submission: {}\nservices: {submission/inet: {maxproc: 10}}\n",
        "smart_host: {nexthop: 'mail.isp.example:465'}\nservices: {smart_host/unix: {maxproc: 10}}\n",
        "transports: {slow: {concurrency: 1}}\nservices: {slow/unix: {maxproc: 1}, oneshot/unix: {maxproc: 1}}\n",
    ],
)
def test_a_service_that_something_brings_can_be_changed(mail: str) -> None:
    assert loaded(f"hostname: mx.test.example\n{mail}")


@pytest.mark.parametrize(
    ("mail", "text"),
    [
        ("services: {smpt/inet: {maxproc: 10}}\n", "did you mean smtp/inet?"),
        ("submission: {wrapper: no}\nservices: {submissions/inet: {maxproc: 1}}\n", "did you mean submission/inet?"),
        ("services: {cleanup-sendmail/unix: {maxproc: 10}}\n", "needs a command"),
    ],
)
def test_a_service_that_nothing_brings_needs_a_command(mail: str, text: str) -> None:
    with pytest.raises(InvalidSource) as refused:
        loaded(f"hostname: mx.test.example\n{mail}")

    (finding,) = refused.value.findings
    assert finding.rule == "service-without-command"
    assert text in finding.text


def test_a_transport_with_a_mistake_is_still_known_by_its_name() -> None:
    with pytest.raises(InvalidSource) as refused:
        loaded("hostname: mx.test.example\ntransports: {slow: {concurrency: 0}}\nservices: {slow/unix: {maxproc: 1}}\n")

    assert [finding.rule for finding in refused.value.findings] == ["invalid-value"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a unix - - n - - smtp\n  -o x=y\n#b unix - - n - - smtp\n  -o z=y\n  -o u=v\n", 4),
        ("a unix - - n - - smtp\n# 587 inet n - n - - smtpd\n#  -o x=y\n  -o z=y\n", 4),
        ("a unix - - n - - smtp\n  -o x=y\n#  -o b=c\n  -o z=y\n", 0),
        ("a unix - - n - - smtp\n  -o x=y\n#b unix - - n - - smtp\n#  -o z=y\n\nc unix - - n - - smtp\n  -o e=f\n", 0),
        ("#a unix - - n - - smtp\nb unix - - n - - smtp\n  -o x=y\n", 0),
        ("a unix - - n - - smtp\n# mail for unix hosts only\n  -o x=y\n", 0),
    ],
)
def test_options_of_a_commented_out_service_go_to_the_one_above(text: str, line: int) -> None:
    _, findings = of_files({"master.d/x.cf": text})

    assert [(one.rule, one.where.line) for one in findings] == ([("commented-service", line)] if line else [])
    assert not any(one.is_error for one in findings)
