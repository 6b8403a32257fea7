"""What counts of the log from before a commit, and which recipients a commit removes on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.model import Applied, Finding, Refused, RolledBack, Where
from reconciler.passes.look import condemned, removed, unquoted
from reconciler.postfix.log import LogLine

if TYPE_CHECKING:
    from pathlib import Path


def test_a_recipient_whose_entry_is_gone_was_removed_and_one_that_no_entry_named_was_not(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    for folder, virtual, aliases in (
        (before, "Ada@v.example ada\nbob@v.example bob\n", "carl: root\ndora: root\n"),
        (now, "bob@v.example bob, carl\n# ada@v.example\n", "dora: root\n"),
    ):
        folder.mkdir()
        (folder / "virtual").write_text(virtual)
        (folder / "aliases").write_text(aliases)
        (folder / "virtual.lmdb").write_bytes(b"\0ada@v.example\0")
    recipients = {"ada@v.example", "bob@v.example", "carl@mx1.example.com", "dora@mx1.example.com", "eve@v.example"}
    assert removed(recipients, before, now) == {"ada@v.example", "carl@mx1.example.com"}


MILTER = "warning: connect to Milter service inet:127.0.0.1:9997: Connection refused"
FULL = "warning: 3F2A1B4C5D: write queue file: No space left on device"
DENIED = '127.0.0.1:25: it answers "451 4.7.1 Service unavailable" to this host, where it was "250 Ok" before'


def finding(rule: str, text: str) -> Finding:
    return Finding(rule=rule, where=Where("mail.yaml"), text=text, subject="s", lasting=False)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("mail-waits", f"{DENIED}; Postfix logged: {FULL}; {MILTER}"),
        ("mail-refused", f"{DENIED}; Postfix logged: {MILTER}"),
        ("cause-in-traffic", f"smtpd logged: {MILTER}"),
        ("fatal-in-log", f"smtpd logged: {MILTER}"),
    ],
)
def test_what_rolled_a_commit_back_is_no_excuse_for_the_next_one(rule: str, text: str) -> None:
    again = LogLine("postfix/smtpd", 8, MILTER)
    other = LogLine("postfix/smtpd", 8, MILTER.replace("Milter", "policy"))
    told = condemned([RolledBack((finding(rule, text),))])
    assert unquoted([again, other], told) == [other]
    tolerated = finding(rule, text).as_warning("it was so before")
    assert unquoted([again], condemned([Applied((tolerated,)), RolledBack((tolerated,))])) == [again]
    assert unquoted([again], condemned([Refused((finding("milter-down", text),))])) == [again]


def test_a_fault_of_another_message_is_the_same_fault() -> None:
    told = condemned([RolledBack((finding("mail-waits", f"{DENIED}; Postfix logged: {MILTER}; {FULL}"),))])
    assert unquoted([LogLine("postfix/cleanup", 9, FULL.replace("3F2A1B4C5D", "9E8D7C6B5A"))], told) == []
    assert condemned([RolledBack((finding("mail-refused", DENIED),))]) == [""]
