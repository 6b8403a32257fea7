"""What becomes of mail that a rehearsal accepts: transports that it waits for, and what a flow expects."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.rehearsals import report_findings, script_of


def test_mail_that_waits_is_told_at_the_entry_that_sent_it_there() -> None:
    done = script_of(files={"tables/transport": "a.example  smtp:\nb.example  nosuch:\n"})
    (found,) = report_findings(
        done, "r5/qmgr[9]: warning: connect to transport private/nosuch: No such file or directory"
    )
    assert str(found).startswith("tables/transport:2:1: in a rehearsal mail for the transport nosuch is deferred")


def test_a_delivery_that_fails_quotes_the_warning_of_its_own_process_as_the_reason() -> None:
    warning = "warning: pipe flag `D' requires dovecot_destination_recipient_limit = 1"
    failed = "1A2: to=<a@b>, relay=dovecot, dsn=4.3.5, status=deferred (mail system configuration error)"
    done = script_of(files={"master.d/d.cf": "dovecot unix - n n - - pipe\n  flags=D user=nobody argv=/bin/echo\n"})
    number = next(n for n, service in enumerate(done.services) if service.name == "dovecot")
    (found,) = report_findings(done, f"r{number}/pipe[9]: {failed}", f"r{number}/pipe[9]: {warning}")
    assert (found.rule, found.where.file) == ("transport-fails", "master.d/d.cf")
    assert "configuration error (pipe flag `D' requires dovecot_destination_recipient_limit = 1)" in found.text
    both = report_findings(done, f"r{number}/pipe[8]: {warning}", f"r{number}/pipe[9]: {failed}")
    assert {one.rule for one in both} == {"transport-fails", "warning-in-rehearsal"}


def flow(
    expect: object, *, sent: bool, steps: list[list[str]] | None = None, log: tuple[str, ...] = (), **more: object
) -> list[str]:
    """Return what is said of a flow that was played like this."""
    done = script_of(files={"flows/a.yaml": json.dumps({"a": {"to": "x@far.example", "expect": expect, **more}})})
    results = [{"sent": sent, "queue": "", "steps": steps or [], "error": ""}] if done.flows else []
    return [one.text for one in report_findings(done, *log, flows=results)]


def test_a_flow_holds_or_says_how_it_does_not() -> None:
    denied = [["RCPT TO:<x@far.example>", "554 5.7.1 Relay access denied"]]
    assert flow("refused", sent=False, steps=denied) == []
    assert flow("refused 550", sent=False, steps=denied) == [
        'flow "a": expected refused with 550, got "554 5.7.1 Relay access denied"'
    ]
    assert flow("refused", sent=True) == ['flow "a": expected refused, but it was accepted']
    assert flow("accepted", sent=False, steps=denied) == [
        'flow "a": expected accepted, got "554 5.7.1 Relay access denied" to RCPT TO:<x@far.example>'
    ]
    assert flow({"status": "sent"}, sent=True) == ['flow "a": expected a delivery, but Postfix attempted none in time']


def test_a_flow_whose_message_all_others_share_the_hold_of_is_a_warning() -> None:
    flows = {"a": {"to": "x@far.example", "expect": {"status": "sent"}}}
    done = script_of(
        {"smtpd_client_restrictions": "check_client_access static:HOLD"}, {"flows/a.yaml": json.dumps(flows)}
    )
    one = replace(done, play=done.play | {"dialogues": done.play["dialogues"][:1]})
    steps = [["RCPT TO:<a@b>", "250 ok"], ["(message)", "250 2.0.0 Ok: queued as 1AB"]]
    dialogues, results = [{"steps": steps, "error": ""}], [{"sent": True, "queue": "2AB", "steps": [], "error": ""}]
    held = "r4/smtpd[9]: NOQUEUE: hold: RCPT from x[1.2.3.4]: triggers HOLD action; from=<s@x> to=<a@b> proto=ESMTP"
    found = report_findings(one, held, dialogues=dialogues, flows=results)
    assert [(each.rule, each.is_error) for each in found] == [("no-mail-in", False), ("flow-fails", False)]
    assert "puts every message on hold" in found[1].text
    found = report_findings(one, "r5/qmgr[9]: 1AB: from=<s@x>, size=1", dialogues=dialogues, flows=results)
    assert [(each.rule, each.is_error) for each in found] == [("flow-fails", True)]


def test_what_became_of_every_recipient_counts() -> None:
    log = (
        "r4/cleanup[1]: 1A2B3: message-id=<flow-0@rehearsal.example>",
        "r15/smtp[2]: 1A2B3: to=<x@far.example>, relay=h, delay=0, dsn=2.0.0, status=sent (ok)",
        "r21/local[3]: 1A2B3: to=<y@mx>, relay=local, delay=0, dsn=5.1.1, status=bounced (unknown user)",
    )
    assert flow({"status": "sent"}, sent=True, log=log) == ['flow "a": expected status sent, got bounced, sent']
    assert flow({"recipient": ["y@mx", "x@far.example"]}, sent=True, log=log) == []


def test_a_port_that_nobody_serves_or_knows_is_no_proof_of_a_refusal() -> None:
    assert flow("refused", sent=False, port="submission") == []
    assert flow("accepted", sent=False, port="submission") == [
        'flow "a": nothing listens on port submission for a client at 203.0.113.7'
    ]
    assert flow("refused", sent=False, port="submision") == [
        'flow "a": unknown port "submision"; did you mean submission?'
    ]


SENT = (
    "r4/cleanup[1]: 1A2B3: message-id=<flow-0@rehearsal.example>",
    "r5/qmgr[2]: 1A2B3: from=<>, size=300, nrcpt=1 (queue active)",
    "r15/smtp[3]: 1A2B3: to=<x@far.example>, relay=h, delay=0, dsn=2.0.0, status=sent (ok)",
)


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ({"sender": ""}, ""),
        ({"sender": "a@b.example"}, "expected sender a@b.example, got none"),
        ({"source": "192.0.2.10"}, "expected source 192.0.2.10, got none"),
        ({"nexthop": "far.example"}, "expected nexthop far.example, got none"),
        ({"status": "sent", "transport": "smtp", "recipient": "x@far.example"}, ""),
        (
            {"status": "bounced", "recipient": ["x@far.example", "y@far.example"]},
            "expected status bounced, got sent; expected recipient x@far.example, y@far.example, got x@far.example",
        ),
    ],
)
def test_each_field_is_compared_with_what_was_seen(expect: object, problem: str) -> None:
    assert flow(expect, sent=True, log=SENT) == ([f'flow "a": {problem}'] if problem else [])


def test_what_arrived_says_more_than_the_log() -> None:
    done = script_of(
        files={"flows/a.yaml": json.dumps({"a": {"to": "x@far.example", "expect": {"sender": "ops@example.com"}}})}
    )
    message = {
        "source": "192.0.2.10", "helo": "mx", "sender": "ops@example.com", "recipients": ["x@far.example"],
        "header": ["Message-ID: <flow-0@rehearsal.example>"],
    }  # fmt: skip
    results = [{"sent": True, "queue": "1A2B3", "steps": [], "error": ""}]
    assert report_findings(done, *SENT, flows=results, received=[message]) == []


def test_a_handshake_that_fails_is_named_as_what_ended_a_flow() -> None:
    steps = [["EHLO x", "250-mx\n250 STARTTLS"], ["STARTTLS", "220 go ahead"], ["(TLS handshake)", ""]]
    assert flow("accepted", sent=False, steps=steps) == ['flow "a": expected accepted, got "" to (TLS handshake)']
    assert flow("refused", sent=False, steps=steps) == ['flow "a": the flow could not be tested: no reply']
