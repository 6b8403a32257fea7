"""The lines of status: the first says whether to act, the last says how, each within a terminal of 80 columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from reconciler.commands.status_rows import WIDTH, status_lines
from reconciler.passes.verdict import verdict
from reconciler.trees.fold import fold
from tests.unit import well_status
from tests.unit.well_status import SUBJECT, TIP

if TYPE_CHECKING:
    from reconciler.passes.status_value import Status

NOW = datetime.now(UTC).astimezone().replace(hour=20, minute=51)
AT, UNTIL = (NOW.replace(hour=20, minute=minute).astimezone(UTC) for minute in (49, 54))
TODAY = {"branch": well_status.WELL["branch"] | {"at": AT.isoformat()}, "since": None, "last": None}
WELL: dict[str, Any] = well_status.WELL | TODAY


def shown(**others: object) -> str:
    """Return the screen of a status that is well but for these parts, in 80 columns."""
    status = WELL | others
    judged = status | {"verdict": verdict(cast("Status", status), NOW)}
    return "\n".join(fold(status_lines(cast("Status", judged), NOW), WIDTH))


def test_a_host_that_is_well() -> None:
    assert (
        shown()
        == f"""\
mx1.example.com   OK: generation 12 is live
  live       generation 12, 289378e  {SUBJECT}
  branch     main is at 289378e: applied 20:49
  postfix    3.7.11, running

next: nothing to do"""
    )


def test_postfix_that_somebody_stopped() -> None:
    stopped = {"at": NOW.replace(minute=50).isoformat(), "by": "systemctl", "start": "systemctl start postfix"}
    assert (
        shown(
            phase={"name": "Probation", "until": UNTIL.isoformat(), "confirm": False, "revision": TIP},
            postfix={"running": False, "version": "3.7.11", "unknown": "", "stopped": stopped},
            queue=[{"why": "connection refused by mx.example.net", "messages": 14}],
        )
        == f"""\
mx1.example.com   ATTENTION: Postfix is stopped
  live       generation 12, 289378e  {SUBJECT}
  branch     main is at 289378e: applied 20:49, watched until 20:54
  postfix    3.7.11, STOPPED at 20:50 with systemctl
  queue      14 messages wait: connection refused by mx.example.net

next: systemctl start postfix"""
    )


def test_a_long_reason_is_cut_in_the_first_line_and_whole_in_the_next() -> None:
    reason = "no server answers at inet:127.0.0.1:8891 (connection refused): all mail would be refused with 451"
    text = shown(troubles=[reason])
    first, second, third, *_ = text.splitlines()
    assert len(first) == WIDTH
    assert first.endswith("...")
    assert (second + third).replace(" " * 13, " ").split() == ["why", *reason.split()]
    assert third.startswith(" " * 13)


def test_a_place_and_a_rule_are_left_out_of_the_first_line_alone() -> None:
    trouble = "mail.yaml:5:18: smtpd_milters: no server answers  [silent-server]"
    repeated = "the commit can't be made: smtpd_milters: no server answers"
    lines = shown(troubles=[trouble, repeated], limits=[trouble, "the kernel has no watches left"]).splitlines()
    assert lines[0] == "mx1.example.com   ATTENTION: smtpd_milters: no server answers"
    assert lines[1] == f"  why        {trouble}"
    assert lines[2].startswith("  live"), "the second reason says nothing else"
    assert "  limit      the kernel has no watches left" in lines
    assert len([line for line in lines if "no server answers" in line]) == 2


def test_a_repository_that_can_not_be_read_is_told_once() -> None:
    gone = "repository /srv/mail-state.git: No such file or directory"
    branch = WELL["branch"] | {"tip": "", "problem": gone}
    assert "  branch     unreadable" in shown(branch=branch).splitlines()


def test_a_refused_commit_shows_its_first_error_and_how_far_the_branch_is() -> None:
    error = {"rule": "r", "file": "mail.yaml", "line": 5, "column": 30, "severity": "error", "text": "unknown"}
    branch = WELL["branch"] | {"tip": "b" * 40, "ahead": 2, "outcome": "Refused", "subject": "Typo"}
    last = {"outcome": "Refused", "revision": "b" * 40, "findings": [error, error | {"severity": "warning"}, error]}
    text = shown(phase={"name": "Refusing", "revision": "b" * 40}, branch=branch, last=last)
    assert text.splitlines()[0] == "mx1.example.com   ATTENTION: commit bbbbbbb was refused"
    assert (
        "  branch     main is at bbbbbbb: refused 20:49\n             2 commits ahead of what is live: Typo\n" in text
    )
    assert "  error      mail.yaml:5:30: unknown\n             and 1 more\n" in text
    assert text.endswith("\n\nnext: reconciler log bbbbbbb")


def test_every_row() -> None:
    text = shown(
        phase={"name": "Suspended", "who": "ann", "why": "disks", "until": None, "tip": ""},
        working={"step": "rehearse", "seconds": 3.4},
        companions={"rspamd": {"running": True, "why": None}, "postsrsd": {"running": False, "why": "gone"}},
        ignored=["main.cf:smtpd_banner"],
        dkim=[{"text": "DKIM key one signs"}],
        refused=[{"user": "web", "times": 7}],
        limits=["first limit", "second limit"],
    )
    assert (
        text
        == f"""\
mx1.example.com   ATTENTION: postsrsd does not work: gone
  live       generation 12, 289378e  {SUBJECT}
  branch     main is at 289378e: applied 20:49
  suspended  by ann: disks; until reconciler resume
  pass       running for 3 s: rehearse
  postfix    3.7.11, running
  rspamd     running
  postsrsd   NOT RUNNING: gone
  drift      kept by an ignore rule: main.cf:smtpd_banner
  dkim       key one signs
  lockdown   connections that it refused, by user: web 7
  limit      first limit
             second limit

next: systemctl status postsrsd"""
    )


def test_a_commit_that_waits_for_a_word_says_what_happens_and_how_to_go_back() -> None:
    phase = {"name": "Probation", "until": UNTIL.isoformat(), "confirm": True, "revision": TIP}
    text = shown(phase=phase, before=11)
    assert text.endswith("next: reconciler confirm")
    whole = " ".join(text.split())
    assert (
        "main is at 289378e: applied 20:49, rolled back at 20:54 unless `reconciler confirm` is run;"
        " generation 11 stays for a rollback" in whole
    )


def test_a_remote_has_a_row_with_when_it_was_fetched() -> None:
    remote = {
        "url": "ssh://git@forge.example.com/x.git",
        "at": AT.isoformat(),
        "problem": "",
        "next": "",
        "since": None,
    }
    assert "\n  remote     ssh://git@forge.example.com/x.git, fetched 20:49\n" in shown(remote=remote)
    passing = shown(remote=remote | {"problem": "it does not answer", "next": "look", "since": AT.isoformat()})
    assert passing.startswith("mx1.example.com   OK: ")
    assert "fetched 20:49\n             it does not answer; it is tried again\n" in passing
    screen = shown(remote=remote | {"at": None, "problem": "the remote can't be fetched: it is gone", "next": "look"})
    assert screen.startswith("mx1.example.com   ATTENTION: the remote can't be fetched: it is gone\n")
    assert "\n  remote     ssh://git@forge.example.com/x.git, not fetched yet\n" in screen
    assert screen.endswith("\nnext: look")


def test_another_day_has_a_date() -> None:
    branch = WELL["branch"] | {"at": (NOW - timedelta(days=3)).isoformat()}
    assert f"applied {NOW - timedelta(days=3):%Y-%m-%d} 20:51" in shown(branch=branch)
