"""What a table may answer: actions of access(5) and header_checks(5), of postscreen, and TLS policies."""

from __future__ import annotations

import pytest

from reconciler.postfix.actions import access_problem, checks_problem, numeric_reply, policy_problem, screen_problem
from reconciler.postfix.nexthops import MailRoutes

ROUTES = MailRoutes(
    transports=frozenset({"smtp", "scan"}), smtp=frozenset({"smtp"}), lmtp=frozenset(), ports=frozenset({"smtp"})
)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("OK", ""),
        ("550 5.7.1 no", ""),
        ("250", ""),
        ("strict", ""),
        ("reject_unverified_sender", ""),
        ("FILTER scan:[127.0.0.1]:10024", ""),
        ("REDIRECT $1", ""),
        ("REJECTED", "did you mean reject?"),
        ("hash:/etc/x", "names a table"),
        ("FILTER scan", "FILTER needs transport:destination"),
        ("FILTER scn:x", "did you mean scan?"),
        ("FILTER smtp:[a", "a closing bracket is missing"),
        ("BCC root", "BCC needs user@domain"),
        ("PREPEND", "PREPEND needs a header"),
    ],
)
def test_an_access_table_answers_what_smtpd_knows(answer: str, problem: str) -> None:
    found = access_problem(answer, {"strict"}, ROUTES)

    assert problem in (found or "")
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(("answer", "fine"), [("STRIP", True), ("reject Go", True), ("PASS", True), ("DENY", False)])
def test_a_header_check_answers_what_cleanup_knows(answer: str, *, fine: bool) -> None:
    assert (checks_problem(answer, ROUTES) is None) is fine


@pytest.mark.parametrize(("answer", "fine"), [("permit", True), ("REJECT", True), ("OK", False)])
def test_postscreen_knows_three_answers(answer: str, *, fine: bool) -> None:
    assert (screen_problem(answer) is None) is fine


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("encrypt ciphers=high protocols=>=TLSv1.2", ""),
        ("secure match=mx.example", ""),
        ("none whatever", ""),
        ("encrpyt", "did you mean encrypt?"),
        ("encrypt cipers=high", "did you mean ciphers?"),
        ("encrypt ciphers=hihg", "unknown cipher grade"),
        ("encrypt protocols=TLSv9", "unknown protocol"),
        ("encrypt match=mx.example", "has no meaning at the level encrypt"),
    ],
)
def test_a_policy_is_what_smtp_reads(policy: str, problem: str) -> None:
    found = policy_problem(policy)

    assert problem in (found or "")
    assert bool(found) == bool(problem)


def test_a_policy_with_a_word_of_a_newer_postfix_is_a_problem_of_this_one() -> None:
    newer = "secure match=mx.example policy_type=sts"

    assert policy_problem(newer) is None
    assert 'does not know "policy_type"' in (policy_problem(newer, {"policy_type"}) or "")
    assert "did you mean ciphers?" in (policy_problem("encrypt cipers=high", {"policy_type"}) or "")


def test_a_reply_code_alone_is_told_from_another_number() -> None:
    assert [numeric_reply(text) for text in ("550", "450", "250", "5500")] == [True, True, False, False]
