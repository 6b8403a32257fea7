"""Mail of a rehearsal that does not arrive: configurations that take none, and aliases that bounce."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.desired_states import desired
from tests.unit.rehearsals import report_findings, script_of

REFUSED = "554 5.7.1 <a@b>: Recipient address rejected: Access denied"


@pytest.mark.parametrize(
    ("parameters", "reply", "log", "sure"),
    [
        ({"smtpd_recipient_restrictions": "reject"}, REFUSED, "", True),
        ({"smtpd_sender_restrictions": "check_sender_access static:REJECT"}, REFUSED, "", True),
        ({"smtpd_client_restrictions": "check_client_access table:c, reject"}, REFUSED, "", False),
        ({"mynetworks": "10.0.0.0/8", "smtpd_client_restrictions": "permit_mynetworks, reject"}, REFUSED, "", False),
        ({"message_size_limit": "20"}, "552 5.3.4 Error: message file too big", "", True),
        ({"header_checks": "table:h"}, "250 2.0.0 Ok: queued as 1AB", "1AB: discard: header X: y from z;", False),
        ({"body_checks": "table:h"}, "250 2.0.0 Ok: queued as 1AB", "1AB: hold: body y from z;", False),
        (
            {"smtpd_data_restrictions": "check_client_access static:HOLD"}, "250 2.0.0 Ok: queued as 1AB",
            "NOQUEUE: hold: RCPT from x[1.2.3.4]: triggers HOLD action; from=<s@x> to=<a@b> proto=ESMTP", False,
        ),
    ],
)  # fmt: skip
def test_a_configuration_that_takes_mail_from_nobody_is_told_at_its_cause(
    parameters: dict[str, str], reply: str, log: str, sure: bool
) -> None:
    files = {"tables/c.cidr": "10.0.0.0/8 OK\n", "tables/h.regexp": "/^/ DISCARD\n"}
    done = script_of(parameters, files)
    steps = [["MAIL FROM:<s@x>", "250 ok"], ["RCPT TO:<a@b>", "250 ok"], ["(message)", reply]]
    one = replace(done, play=done.play | {"dialogues": done.play["dialogues"][:1]})
    (found,) = report_findings(one, f"r4/cleanup[9]: {log}", dialogues=[{"steps": steps, "error": ""}])
    assert (found.rule, found.is_error) == ("no-mail-in", sure)
    assert found.where == desired(parameters).places["parameters", next(reversed(parameters))]


def test_one_message_that_is_kept_is_enough() -> None:
    done = script_of({"header_checks": "table:h"}, {"tables/h.regexp": "/^X/ DISCARD\n"})
    steps = [["RCPT TO:<a@b>", "250 ok"], ["(message)", "250 2.0.0 Ok: queued as 1AB"]]
    dialogues = [{"steps": [["MAIL FROM:<s@x>", REFUSED]], "error": ""}, {"steps": steps, "error": ""}]
    both = replace(done, play=done.play | {"dialogues": done.play["dialogues"][:2]})
    assert (
        report_findings(both, "r5/qmgr[9]: 1AB: from=<s@x>, size=1, nrcpt=1 (queue active)", dialogues=dialogues) == []
    )
    late = "r4/cleanup[9]: 1AB: hold: header X: y from z;"
    assert report_findings(both, late, "r5/qmgr[9]: 1AB: from=<s@x>, size=1", dialogues=dialogues) == []


def test_recipients_that_are_all_unknown_are_told_of_at_the_list_of_domains() -> None:
    done = script_of()
    one = replace(done, play=done.play | {"dialogues": done.play["dialogues"][:1]})
    steps = [[f"RCPT TO:<{name}@mx.test.example>", "554 5.7.1 x: Relay access denied"] for name in ("root", "ops")]
    (found,) = report_findings(one, dialogues=[{"steps": steps, "error": ""}])
    assert (found.rule, found.is_error, str(found.where)) == ("no-mail-in", False, "mail.yaml:4:20")
    steps.append(["RCPT TO:<somebody@remote.rehearsal.example>", "250 2.1.5 ok"])
    assert report_findings(one, dialogues=[{"steps": steps, "error": ""}]) == []


GHOST = 'relay=local, delay=0, dsn=5.1.1, status=bounced (unknown user: "ghost")'


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (f"1AB: to=<ghost@mx.test.example>, orig_to=<info@v.example>, {GHOST}", "tables/virtual:2:1"),
        (f"1AB: to=<copy@mx.test.example>, {GHOST}", "mail.yaml:8:17"),
        (f"1AB: to=<root@mx.test.example>, {GHOST}", ""),
        (f"1AB: to=<agent-3@rehearsal.example>, {GHOST}", ""),
        (f"2CD: to=<ghost@mx.test.example>, orig_to=<info@v.example>, {GHOST}", ""),
        ("1AB: to=<x@y.example>, orig_to=<info@v.example>, dsn=5.0.0, status=bounced (host y said: 550 5.1.1)", ""),
    ],
)
def test_an_alias_or_a_copy_that_bounces_is_told_at_its_cause(line: str, where: str) -> None:
    rows = {"tables/virtual": "b@v.example root@mx.test.example\ninfo@v.example ghost@mx.test.example\n"}
    done = script_of({"always_bcc": "copy@mx.test.example"}, rows)
    flow = {"queue": "2CD"}
    found = report_findings(done, f"r5/local[9]: {line}", flows=[flow])
    assert [str(one.where) for one in found] == [where] * bool(where)
    assert not any(one.is_error for one in found)
