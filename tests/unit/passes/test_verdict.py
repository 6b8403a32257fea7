"""The verdict on a status: whether an operator must act, why, and with which command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from reconciler.passes.advice import PASSING
from reconciler.passes.verdict import LATE, LONG, verdict
from tests.unit.well_status import TIP, WELL

if TYPE_CHECKING:
    from reconciler.passes.status_value import Status, Verdict

NOW = datetime(2026, 11, 22, 20, 50, tzinfo=UTC)
B = "b" * 40
STOPPED = {"running": False, "version": "3.7.11", "unknown": "", "stopped": {"at": None, "by": "", "start": "START"}}
BUG = {"rule": "internal-error", "text": "a bug in reconciler: ValueError"}
AHEAD = WELL["branch"] | {"tip": B, "subject": "More", "ahead": 3, "outcome": "", "at": ""}


def judged(**others: object) -> Verdict:
    """Return the verdict on a status that is well but for these parts."""
    return verdict(cast("Status", WELL | others), NOW)


def test_all_is_well() -> None:
    assert judged() == {"level": "well", "text": "generation 12 is live", "also": [], "next": "nothing to do"}


@pytest.mark.parametrize(
    ("others", "command"),
    [
        ({"daemon": False}, "systemctl start reconciler@out"),
        ({"drift": ["main.cf"]}, "reconciler --instance out plan"),
        ({"live": None}, "reconciler --instance out plan, then reconciler --instance out once --adopt"),
        ({"postfix": STOPPED}, "START"),
        (
            {"lost": "it is gone; to restore it, run `reconciler once --adopt`"},
            "reconciler --instance out once --adopt",
        ),
    ],
)
def test_a_command_names_the_instance(others: dict[str, Any], command: str) -> None:
    assert judged(instance="out", **others)["next"] == command


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        ({"name": "Probation", "confirm": False, "revision": TIP}, "generation 12 is live, and is watched"),
        (
            {"name": "Suspended", "who": "ann", "why": "disks", "until": None, "tip": ""},
            "generation 12 is live, and passes are suspended",
        ),
    ],
)
def test_what_ends_by_itself_or_was_asked_for_is_well(phase: dict[str, Any], text: str) -> None:
    assert judged(phase=phase)["text"] == text


@pytest.mark.parametrize(
    ("others", "level", "text", "command"),
    [
        ({"postfix": STOPPED}, "stopped", "Postfix is stopped", "START"),
        ({"postfix": STOPPED | {"unknown": "main.cf: no"}}, "stopped", "read its configuration: main.cf: no", "once"),
        (
            {"postfix": STOPPED | {"unknown": f"postconf {LATE}"}},
            "attention",
            "the state of Postfix is unknown: postconf did not answer in time",
            "reconciler status",
        ),
        ({"phase": {"name": "Halted", "reason": "no answer"}}, "stopped", "halted: no answer", "reconciler resume"),
        ({"lost": "it is a folder; run `reconciler x`", "live": None}, "attention", "it is a folder;", "reconciler x"),
        ({"daemon": False}, "attention", "the daemon is not running", "systemctl start reconciler"),
        ({"daemon": False, "branch": AHEAD}, "attention", "main is 3 commits ahead", "systemctl start"),
        (
            {"phase": {"name": "Refusing", "revision": B}, "last": {"outcome": "Refused", "revision": B}},
            "attention",
            "commit bbbbbbb was refused",
            "reconciler log bbbbbbb",
        ),
        (
            {"phase": {"name": "Refusing", "revision": B}, "last": {"outcome": "RolledBack", "revision": B}},
            "attention",
            "commit bbbbbbb was rolled back",
            "reconciler log bbbbbbb",
        ),
        (
            {"phase": {"name": "Refusing", "revision": TIP}, "last": {"outcome": "Applied", "revision": ""}},
            "attention",
            "commit 289378e was rolled back by hand",
            "push a fix, or reconciler once 289378e",
        ),
        ({"branch": WELL["branch"] | {"tip": "", "problem": "no repository"}}, "attention", "no repository", "fsck"),
        (
            {"phase": {"name": "Retrying", "revision": B, "reason": "no space", "attempts": 2}},
            "attention",
            "commit bbbbbbb waits: no space",
            "reconciler log -1",
        ),
        ({"last": {"outcome": "Postponed", "revision": TIP, "findings": [BUG]}}, "attention", BUG["text"], "report"),
        (
            {"phase": {"name": "Probation", "confirm": True, "revision": TIP}},
            "attention",
            "rolled back unless it is confirmed",
            "reconciler confirm",
        ),
        ({"drift": ["main.cf:smtpd_banner"]}, "attention", "edited by hand: main.cf:smtpd_banner", "reconciler plan"),
        ({"due": [{"text": "expires", "next": "renew"}]}, "attention", "expires", "renew"),
        (
            {"companions": {"rspamd": {"running": False, "why": "no"}}},
            "attention",
            "rspamd does not work: no",
            "systemctl status rspamd",
        ),
        (
            {
                "phase": {
                    "name": "Retrying",
                    "revision": TIP,
                    "reason": "it can't be made; restore /etc/x",
                    "attempts": 2,
                }
            },
            "attention",
            "it can't be made",
            "restore /etc/x",
        ),
        ({"left_out": {"site12": B}}, "attention", "site12 is left out and stays as in bbbbbbb", "reconciler log"),
        ({"troubles": ["no space left on the file system of /var"]}, "attention", "of /var", "df -h /var"),
        ({"live": None}, "attention", "not adopted", "reconciler once --adopt"),
    ],
)
def test_what_needs_a_person_is_the_first_line(others: dict[str, Any], level: str, text: str, command: str) -> None:
    last = WELL["last"] | others.get("last", {})
    told = judged(**{**others, "last": last})
    assert told["level"] == level
    assert text in told["text"]
    assert command in told["next"]
    assert told["also"] == []


def test_passes_that_wait_for_a_companion_are_no_second_reason() -> None:
    phase = {"name": "Retrying", "revision": B, "reason": "PostSRSd died and does not start: no", "attempts": 2}
    told = judged(companions={"postsrsd": {"running": False, "why": "no"}}, phase=phase)
    assert (told["text"], told["also"]) == ("postsrsd does not work: no", [])
    told = judged(companions={"postsrsd": {"running": True, "why": ""}}, phase=phase)
    assert told["text"].endswith("waits: PostSRSd died and does not start: no")


def test_a_suspension_without_an_end_is_a_reason_after_a_day() -> None:
    phase = {"name": "Suspended", "who": "ann", "why": "disks", "until": None, "tip": ""}
    long_ago, today = (f"{NOW - time:%Y-%m-%dT%H:%M:%SZ}" for time in (LONG + timedelta(1), timedelta(hours=2)))
    assert judged(phase=phase, since=today)["level"] == "well"
    told = judged(phase=phase, since=long_ago)
    assert told["text"] == "suspended for more than a day by ann: disks"
    assert told["next"] == "reconciler resume"
    assert judged(phase=phase | {"until": "2026-12-24T00:00:00Z"}, since=long_ago)["level"] == "well"


def test_a_commit_that_is_live_does_not_wait() -> None:
    phase = {"name": "Retrying", "revision": TIP, "reason": "secret pw can't be opened", "attempts": 2}
    assert judged(phase=phase)["text"] == "secret pw can't be opened"
    assert judged(phase=phase | {"revision": B})["text"] == "commit bbbbbbb waits: secret pw can't be opened"
    assert judged(phase=phase | {"revision": ""})["text"] == "secret pw can't be opened", "no commit could be read"
    gone = "secret pw can't be opened"
    assert judged(phase=phase | {"revision": ""}, troubles=[gone])["also"] == [], "each text once"


def test_a_rollback_that_left_mail_in_trouble_is_a_reason_until_mail_is_taken_again() -> None:
    phase = {"name": "Suspended", "who": "ann", "why": "rollback of 3", "until": None, "tip": TIP}
    last = {"outcome": "Applied", "revision": "", "findings": [{"rule": "mail-waits", "text": "it answers 451"}]}
    told = judged(phase=phase, last=last)
    assert told["text"] == "mail is in trouble: it answers 451"
    assert told["next"] == "reconciler log -1 -v"
    assert judged(phase=phase, last=last | {"outcome": "Unchanged"})["text"] == told["text"], "a look after it"
    assert judged(phase=phase, last=last | {"findings": []})["level"] == "well"
    cause = 'no server answers at "inet:127.0.0.1:8891" (connection refused)'
    told = judged(phase=phase, last=last, troubles=[cause])
    assert (told["text"], told["also"]) == (cause, ["mail is in trouble: it answers 451"])
    assert told["next"] == "start the server at inet:127.0.0.1:8891"


def test_stopped_mail_comes_first_and_the_others_follow() -> None:
    told = judged(daemon=False, postfix=STOPPED, drift=["main.cf"])
    assert (told["level"], told["text"], told["next"]) == ("stopped", "Postfix is stopped", "START")
    assert told["also"] == ["the daemon is not running", "edited by hand: main.cf"]


def test_a_halt_comes_before_a_daemon_that_does_not_run() -> None:
    told = judged(daemon=False, phase={"name": "Halted", "reason": "no answer"})
    assert (told["text"], told["also"]) == ("halted: no answer", ["the daemon is not running"])


def test_a_certificate_that_a_pass_found_as_well_is_one_reason() -> None:
    expired = 'the certificate "mx" in "/etc/ssl/mx.pem" expired 2 days ago'
    fault = f"the last pass found mail.yaml:5:1: smtpd_tls_cert_file: {expired}: peers that check it would disconnect"
    told = judged(due=[{"text": expired, "next": "renew"}], troubles=[fault])
    assert (told["text"], told["also"]) == (expired, [])


def test_a_tip_that_changes_nothing_here_is_not_behind() -> None:
    branch = AHEAD | {"outcome": "Unchanged", "at": "2026-11-22T20:00:00Z"}
    assert judged(branch=branch)["level"] == "well"
    assert judged(branch=branch, daemon=False)["text"] == "the daemon is not running"


def test_a_remote_that_is_not_followed_is_named_with_what_to_do() -> None:
    remote = {
        "url": "ssh://forge/x.git", "at": None, "problem": "the remote is gone", "next": "look for it", "since": None,
    }  # fmt: skip
    empty = AHEAD | {"tip": "", "problem": "nothing was fetched yet: run `reconciler fetch`"}
    told = judged(remote=remote, branch=empty)
    assert (told["level"], told["text"], told["next"]) == ("attention", "the remote is gone", "look for it")
    assert told["also"] == ["nothing was fetched yet: run `reconciler fetch`"]
    assert judged(remote=remote | {"problem": "", "next": ""})["level"] == "well"
    just, long_ago = (f"{NOW - PASSING + timedelta(seconds=more):%Y-%m-%dT%H:%M:%SZ}" for more in (1, -1))
    assert judged(remote=remote | {"since": just})["level"] == "well"
    assert judged(remote=remote | {"since": long_ago})["text"] == "the remote is gone"
    assert judged(branch=empty)["next"] == "reconciler fetch"
