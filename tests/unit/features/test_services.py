"""Services: their programs and rights, and those that mail needs."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import desired, findings_of, linted, only_finding
from tests.unit.host_facts import facts


def master(text: str) -> dict[str, str]:
    return {"master.d/extra.cf": text + "\n"}


def test_a_program_that_is_not_installed_is_refused() -> None:
    assert "smtpdd" in only_finding("unknown-program", files=master("127.0.0.1:3199 inet n - n - - smtpdd"))
    assert "did you mean smtpd?" in only_finding(
        "unknown-program", files=master("127.0.0.1:3199 inet n - n - - /opt/own/smtpd")
    )


def test_a_program_that_was_removed_acts_on_the_next_process() -> None:
    (finding,) = findings_of("unknown-program", files=master("127.0.0.1:3199 inet n - n - - smtpdd"))
    assert finding.starts == {"127.0.0.1:3199/inet"}


@pytest.mark.parametrize("command", ["../../../../usr/bin/logger", "sub/../smtpd", "./pipe", "sub//smtpd", ".."])
def test_a_command_that_could_lead_out_of_the_folder_of_programs_is_refused(command: str) -> None:
    said = only_finding("unknown-program", files=master(f"127.0.0.1:3199 inet n - n - - {command} -f /etc/shadow"))
    assert f'"{command}" is not the plain name of a program' in said


@pytest.mark.parametrize("command", ["smtpd", "own/smtpd", "own.d/..smtpd"])
def test_a_command_that_stays_in_the_folder_of_programs_is_not_refused_for_its_name(command: str) -> None:
    assert not findings_of("unknown-program", files=master(f"127.0.0.1:3199 inet n - n - - {command}"))


def test_a_program_of_ones_own_that_is_missing_is_refused_for_now() -> None:
    line = "x unix - n n - - pipe user=vmail argv=/opt/own -d"
    gone = facts(files={"/opt/own": False})
    (finding,) = findings_of("missing-program", {"default_transport": "x"}, master(line), gone)
    assert not finding.lasting
    assert not findings_of("missing-program", files=master(line), facts=gone)  # it never starts
    assert not findings_of("missing-program", files=master(line), facts=facts(files={"/opt/own": True}))


def test_a_program_that_needs_root_must_not_run_unprivileged() -> None:
    assert "pipe" in only_finding("unprivileged-service", files=master("x unix - - n - - pipe user=vmail argv=/x"))
    assert not findings_of("unprivileged-service", files=master("x unix - n n - - pipe user=vmail argv=/x"))


@pytest.mark.parametrize(
    "line", ["x unix n - n 300 5 qmgr", "x unix n - n - 10 cleanup", "smtps inet n - n - - postscreen"]
)
def test_a_program_that_insists_on_its_number_of_processes_gets_it(line: str) -> None:
    assert "maxproc" in only_finding("process-limit", files=master(line))
    assert not findings_of("process-limit", files=master("x unix n - n - 0 cleanup\ny unix - - n - 5 smtp"))


def test_an_essential_service_is_not_removed() -> None:
    for name in ("cleanup", "qmgr", "rewrite", "bounce", "pickup", "tlsmgr", "smtp", "local"):
        (finding,) = findings_of("missing-service", services={f"{name}/unix": None})
        assert finding.is_error, name


def test_a_service_that_mail_can_do_without_may_be_removed() -> None:
    (finding,) = findings_of("missing-service", services={"showq/unix": None})
    assert not finding.is_error
    assert not findings_of("missing-service", services={"virtual/unix": None, "lmtp/unix": None, "smtp/inet": None})


def test_postscreen_needs_an_smtpd_to_hand_clients_to() -> None:
    screen = {"smtp/inet": {"command": "postscreen", "maxproc": "1"}}
    assert "smtpd" in only_finding("missing-service", services=screen)
    assert not findings_of("missing-service", services=screen | {"smtpd/pass": {"command": "smtpd"}})


def test_shared_tls_sessions_need_tlsproxy() -> None:
    shared = {"smtp_tls_connection_reuse": "yes"}
    assert "tlsproxy" in only_finding("missing-service", shared)
    assert not findings_of(
        "missing-service", shared, services={"tlsproxy/unix": {"command": "tlsproxy", "maxproc": "0"}}
    )


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("out unix - n y - - pipe\n  user=nobody argv=/bin/true", "jailed-service"),
        ("box unix - n y - - local", "jailed-service"),
        ("out unix - - y - - smtp", ""),
        ("out unix n - n - - smtp", "unreachable-service"),
        ("pre unix - - n - 0 cleanup", "unreachable-service"),
        ("pre unix n - n - 0 cleanup", ""),
        ("127.0.0.1:99 inet n - n - - /usr/lib/postfix/sbin/smtpd", "unknown-program"),
    ],
)
def test_a_service_is_where_it_is_looked_for_and_can_do_its_work(line: str, rule: str) -> None:
    rules = {"jailed-service", "unreachable-service", "unknown-program"}
    found = [one for one in linted(desired(files={"master.d/x.cf": f"{line}\n"})) if one.rule in rules]
    assert [one.rule for one in found] == [rule] * bool(rule)
    assert all(one.is_error for one in found)
