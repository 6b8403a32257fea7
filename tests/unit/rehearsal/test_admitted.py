"""Who is let in during a rehearsal: logins, clients of postscreen, programs on the host, listed recipients."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.rehearsals import report_findings, script_of

if TYPE_CHECKING:
    from reconciler.model import Finding
    from reconciler.rehearsal.script import Script

SASL = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_path": "smtpd", "inet_protocols": "ipv4"}
PERMIT = {"smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination"}
OWNERS = {"smtpd_sender_login_maps": "inline:{ {bob@v.example=bob} }"}
BEHIND = "permit_sasl_authenticated, reject_sender_login_mismatch"  # the rule behind-permit says it
DENIED = "554 5.7.1 <somebody@remote.rehearsal.example>: Relay access denied"
MAIL, RCPT = "MAIL FROM:<x@y>", "RCPT TO:<somebody@remote.rehearsal.example>"
SCREEN = {"master.d/p.cf": "smtpd pass - - n - - smtpd\n192.0.2.10:2526 inet n - n - 1 postscreen\n"}


def answered(kind: str, script: Script, *replies: str, log: str = "") -> list[Finding]:
    """The findings about the first dialogue of a kind, whose commands had these replies."""
    one = next(each for each in script.play["dialogues"] if each["kind"] == kind)
    alone = replace(script, play=script.play | {"dialogues": [one]})
    steps = [[command, reply] for command, reply in zip((MAIL, RCPT), replies, strict=False)]
    return report_findings(alone, *([log] if log else []), dialogues=[{"steps": steps, "error": ""}])


def test_a_login_that_may_not_relay_is_an_error_where_logins_are_permitted() -> None:
    (found,) = answered("login", script_of(SASL | PERMIT), "250 ok", DENIED)
    assert (found.rule, found.is_error) == ("login-refused", True)
    assert str(found.where) == "mail.yaml:7:31"
    assert answered("login", script_of(SASL | PERMIT), "250 ok", "250 ok") == []


@pytest.mark.parametrize(
    ("parameters", "reply", "count"),
    [
        ({}, DENIED, 0),  # the rule login-without-relay says it
        ({"smtpd_relay_restrictions": "check_policy_service unix:private/p, reject_unauth_destination"}, DENIED, 1),
        ({"smtpd_client_restrictions": "check_client_access cidr:{ {10.0.0.0/8 OK} }"} | PERMIT, DENIED, 1),
        ({"smtpd_client_restrictions": "check_client_access cidr:{ {10.0.0.0/8 OK} }"} | PERMIT, "550 5.7.1 no", 0),
        ({"mynetworks": "127.0.0.0/8, 10.0.0.0/8"} | PERMIT, DENIED, 0),
    ],
)
def test_a_login_that_may_be_refused_on_purpose_is_no_error(parameters: dict[str, str], reply: str, count: int) -> None:
    found = answered("login", script_of(SASL | parameters), "250 ok", reply)
    assert [(one.rule, one.is_error) for one in found] == [("login-refused", False)] * count


def test_a_login_that_sends_as_another_is_told_of() -> None:
    owned = script_of(SASL | OWNERS)
    (found,) = answered("forged", owned, "250 ok", "250 ok")
    assert (found.rule, found.is_error, str(found.where)) == ("login-as-another", False, "mail.yaml:11:30")
    assert "bob@v.example" in found.text
    for checks, count in (("reject_sender_login_mismatch, permit_sasl_authenticated", 1), (BEHIND, 0)):
        checked = script_of(SASL | OWNERS | {"smtpd_sender_restrictions": checks})
        assert len(answered("forged", checked, "250 ok", "250 ok")) == count
    assert answered("forged", owned, "250 ok", "553 5.7.1 <bob@v.example>: Sender address rejected: not owned") == []


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        (("250 ok", "250 ok"), ""),
        (("250 ok", "554 5.7.1 <x@y>: Relay access denied"), ""),
        (("250 ok", "450 4.3.2 Service currently unavailable"), "passes no client on"),
        (("250 ok", "550 5.3.2 Service currently unavailable"), "passes no client on"),
        (("521 5.3.2 mx ESMTP not accepting connections",), "passes no client on"),
    ],
)
def test_a_postscreen_that_passes_nobody_on_is_an_error(replies: tuple[str, ...], says: str) -> None:
    script = script_of(files=SCREEN)
    number = next(n for n, service in enumerate(script.services) if service.command == "postscreen")
    log = (
        f"r{number}/postscreen[9]: NOQUEUE: reject: RCPT from [203.0.113.7]:1: {replies[-1]}; from=<x>" if says else ""
    )
    found = answered("screened", script, *replies, log=log)
    assert [says in one.text and one.is_error for one in found] == [True] * bool(says)
    listed = {"postscreen_access_list": "cidr:{ {10.0.0.0/8 permit} }, reject"}
    assert not any(one.is_error for one in answered("screened", script_of(listed, SCREEN), *replies, log=log))


@pytest.mark.parametrize(
    ("status", "said", "log", "count"),
    [
        (-1, "No such file or directory", "", 0),
        (0, "", "r3/pickup[7]: 1AB: uid=0 from=<root>", 0),
        (0, "", "r3/pickup[7]: fatal: open x", 0),
        (0, "", "", 1),
        (75, "sendmail: fatal: Queue report unavailable", "postfix/sendmail[7]: fatal: Queue report unavailable", 1),
        (69, "sendmail: fatal: User root(0) is not allowed to submit mail", "postfix/sendmail[7]: fatal: User x", 0),
    ],
)
def test_mail_of_a_program_must_get_in(status: int, said: str, log: str, count: int) -> None:
    found = report_findings(script_of(), *([log] if log else []), submitted={"status": status, "said": said})
    assert [one.is_error for one in found if one.rule == "sendmail-refused"] == [status > 0] * count
    assert not any(one.rule == "service-dies" for one in found if "sendmail" in one.text)


UNKNOWN = "550 5.1.1 <a@v.example>: Recipient address rejected: User unknown in virtual alias table"


@pytest.mark.parametrize(
    ("reply", "count"), [(UNKNOWN, 1), (DENIED, 1), ("250 ok", 0), ("554 5.7.1 <a@v.example>: Access denied", 0)]
)
@pytest.mark.parametrize("foreign", [False, True])
def test_a_table_whose_recipients_get_no_mail_is_told_of_at_its_setting(
    reply: str, count: int, *, foreign: bool
) -> None:
    table = "hash:/etc/mail/v" if foreign else "inline:{ {a@v.example=root@mx.test.example} }"
    script = script_of({"virtual_alias_maps": table, "alias_maps": "", "inet_protocols": "ipv4"})
    outside = next(one for one in script.play["dialogues"] if one["client"] == "203.0.113.7")
    alone = replace(script, play=script.play | {"dialogues": [outside]})
    steps = [["RCPT TO:<postmaster@mx.test.example>", "250 ok"], ["RCPT TO:<a@v.example>", reply]]
    steps.append(["(message)", "250 2.0.0 Ok: queued as 1AB"])
    found = report_findings(alone, dialogues=[{"steps": steps, "error": ""}], listed=[["a@v.example"]] * foreign)
    assert [(one.rule, str(one.where)) for one in found] == [("recipient-refused", "mail.yaml:8:25")] * count


def test_a_listener_that_takes_no_mail_from_strangers_says_nothing_about_a_table() -> None:
    script = script_of({"alias_maps": "hash:/etc/mail/a", "inet_protocols": "ipv4"})
    outside = next(one for one in script.play["dialogues"] if one["client"] == "203.0.113.7")
    alone = replace(script, play=script.play | {"dialogues": [outside]})
    steps = [["RCPT TO:<info@mx.test.example>", DENIED]]
    assert report_findings(alone, dialogues=[{"steps": steps, "error": ""}], listed=[["info@mx.test.example"]]) == []
