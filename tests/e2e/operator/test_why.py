"""Who asked for what is live: why, get, and what custom parameters prevail over, on hosts with a history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = MAIL.replace("parameters:", "smart_host:\n  nexthop: '[127.0.0.1]:2525'\ntls: {outbound: may}\nparameters:")
SECOND = FIRST.replace("{outbound: may}", "{outbound: encrypt}")
OWN = "services:\n  oneshot/unix: {options: {smtp_tls_security_level: may}}\n"


@pytest.fixture(scope="module")
def history() -> Iterator[tuple[AdoptedHost, dict[str, str]]]:
    """Return an adopted host with three commits that went live, and their names."""
    with AdoptedHost(settings=UNREHEARSED) as adopted:
        adopted.host.sink(2525)
        adopted.host.sink(2526)
        pushes = {
            "first": adopted.push({"mail.yaml": FIRST}, "Relay"),
            "second": adopted.push({"mail.yaml": SECOND + OWN}, "Encrypt"),
            "third": adopted.push({"mail.yaml": SECOND + "  relayhost: '[127.0.0.1]:2526'\n" + OWN}, "Mine"),
        }
        assert all(push.accepted for push in pushes.values()), pushes
        yield adopted, {name: push.oid for name, push in pushes.items()}


def words(adopted: AdoptedHost, *arguments: str) -> list[str]:
    """The lines of a command that succeeds, blanks made one."""
    ran = adopted.reconciler(*arguments)
    assert ran.status == 0, ran.text
    return [" ".join(line.split()) for line in ran.text.splitlines()]


def data(adopted: AdoptedHost, *arguments: str) -> dict[str, Any]:
    """What a command prints with --json."""
    return dict(json.loads(adopted.reconciler(*arguments, "--json").text))


def test_why_says_who_asked_since_when_what_it_was_and_where_it_is_not_in_force(
    history: tuple[AdoptedHost, dict[str, str]],
) -> None:
    adopted, oids = history
    head, origin, before, default, elsewhere = words(adopted, "why", "smtp_tls_security_level")
    assert head == "smtp_tls_security_level = encrypt"
    assert origin.startswith(f"tls.outbound mail.yaml:4 {oids['second'][:7]} 20")
    assert before.startswith(f"before it may {oids['first'][:7]} 20")
    assert default == "Postfix's default (empty)"
    assert elsewhere == "not in force for oneshot/unix -o smtp_tls_security_level=may"
    assert data(adopted, "why", "smtp_tls_security_level")["revision"] == oids["second"]


def test_why_of_a_service_is_about_its_own_option(history: tuple[AdoptedHost, dict[str, str]]) -> None:
    adopted, oids = history
    head, origin, *_ = words(adopted, "why", "smtp_tls_security_level@oneshot")
    assert head == "smtp_tls_security_level@oneshot/unix = may"
    assert origin.startswith(f"services.oneshot/unix mail.yaml:10 {oids['second'][:7]}")
    (head, origin, *_) = words(adopted, "why", "smtp_tls_security_level@relaylim/unix")
    assert head.endswith("= encrypt"), "it has none of its own"
    assert origin.startswith("tls.outbound")


def test_custom_parameters_prevail_and_why_plan_and_check_say_over_what(
    history: tuple[AdoptedHost, dict[str, str]],
) -> None:
    adopted, oids = history
    told = "parameters.relayhost (mail.yaml:8) prevails over smart_host (mail.yaml:3)"
    _, origin, over, before, _ = words(adopted, "why", "relayhost")
    assert origin.startswith(f"parameters.relayhost mail.yaml:8 {oids['third'][:7]}")
    assert over == "prevails over smart_host mail.yaml:3 [127.0.0.1]:2525"
    assert before.startswith(f"before it [127.0.0.1]:2525 {oids['first'][:7]}")
    assert told in words(adopted, "plan")
    assert told in words(adopted, "check")
    for command in ("plan", "check"):
        (override,) = data(adopted, command)["overrides"]
        assert (override["parameter"], override["instead_where"]) == ("relayhost", "mail.yaml:3:12")


def test_get_says_value_default_meaning_and_origin(history: tuple[AdoptedHost, dict[str, str]]) -> None:
    adopted, _ = history
    head, meaning, default, origin = words(adopted, "get", "mydestination")
    assert head == "mydestination = mx1.example.com, localhost"
    assert meaning.startswith("meaning The list of domains that are delivered via the $local_transport")
    assert default == "Postfix's default $myhostname, localhost.$mydomain, localhost"
    assert origin == "origin parameters.mydestination at mail.yaml:7"
    shown = data(adopted, "get", "queue_run_delay")
    assert (shown["value"], shown["default"], shown["where"]) == (None, "300s", None)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("relayhots", "did you mean relayhost?"),
        ("relayhost@onesht", "did you mean oneshot?"),
        ("relayhost@smtp", "several services; write smtp/inet or smtp/unix"),
        ("relayhost@", "expected PARAMETER"),
    ],
)
def test_what_nobody_knows_is_wrong_usage(history: tuple[AdoptedHost, dict[str, str]], asked: str, told: str) -> None:
    adopted, _ = history
    for command in ("why", "get"):
        ran = adopted.reconciler(command, asked)
        assert (ran.status, told in ran.text) == (64, True), ran.text
        assert adopted.reconciler(command, "relayhost", user="nobody").status == 77


def test_a_value_of_several_lines_is_known_by_the_newest_that_changed(
    history: tuple[AdoptedHost, dict[str, str]],
) -> None:
    adopted, _ = history
    first = "  smtpd_banner: >-\n    $myhostname\n    ESMTP one\n  biff: no\n"
    before = adopted.push({"mail.yaml": MAIL + first}, "Fold")
    adopted.sh("sleep 1")  # commits of one second have no order
    after = adopted.push({"mail.yaml": MAIL + first.replace("one", "two")}, "Two")
    assert data(adopted, "why", "smtpd_banner")["revision"] == after.oid
    assert data(adopted, "why", "smtpd_banner")["before"]["revision"] == before.oid
    assert data(adopted, "why", "biff")["revision"] == before.oid


def test_hand_edits_rollbacks_and_adoption_are_told_apart() -> None:
    with AdoptedHost(settings=UNREHEARSED + '[drift]\npolicy = "report"\n', adopt=False, daemon=False) as adopted:
        assert words(adopted, "why", "mydestination")[1].endswith("not adopted: no commit sets it")
        adopted.reconciler("once", "--adopt")
        push = adopted.push({"mail.yaml": MAIL + "  smtpd_banner: one\n"})
        assert adopted.reconciler("once").status == 0
        assert words(adopted, "why", "smtpd_banner")[1].startswith(
            f"parameters.smtpd_banner mail.yaml:5 {push.oid[:7]}"
        )
        adopted.push({"mail.yaml": MAIL + "  smtpd_banner: two\n"})
        assert adopted.reconciler("once").status == 0
        adopted.sh("postconf -e smtpd_banner=three")
        assert words(adopted, "why", "smtpd_banner")[1] == "set in main.cf:10 edited by hand"
        assert adopted.reconciler("rollback").status == 0
        head, origin, *_ = words(adopted, "why", "smtpd_banner")
        assert head == "smtpd_banner = one"
        assert push.oid[:7] in origin, "what went back is still that commit's"
        adopted.sh("mv /srv/mail-state.git /srv/away")
        assert words(adopted, "why", "smtpd_banner")[1].startswith("set in main.cf:")
        adopted.sh("mv /srv/away /srv/mail-state.git")
        assert adopted.reconciler("rescue").status == 0
        assert words(adopted, "why", "mydestination")[1].endswith("rescue")


def test_help_prints_examples_line_by_line(history: tuple[AdoptedHost, dict[str, str]]) -> None:
    adopted, _ = history
    for command in (("why",), ("set",), ("smart-host", "set"), ()):
        lines = adopted.reconciler(*command, "--help").text.splitlines()
        assert "  Examples:" in lines
        assert sum(line.startswith("    reconciler ") for line in lines) > 1
