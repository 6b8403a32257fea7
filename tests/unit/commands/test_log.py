"""The lines of ``reconciler log``."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.commands.log import LogFilter, log_lines, recorded
from reconciler.host.effects import Host
from reconciler.model import Applied, Finding, Refused, Severity, Where
from reconciler.state.journal import Journal
from reconciler.state.records import Conclusion, ConclusionLine, Edited, RefusedCheck, conclusion_line, finding_line

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("in_utc")
RECORDED = Path(__file__).parents[2] / "transcripts" / "state"


def test_a_service_died_and_the_lockdown_was_loaded_again() -> None:
    line: ConclusionLine = {
        "at": "2026-11-22T10:02:00Z", "outcome": "Unchanged", "revision": "", "findings": [],
        "started": ["nftables", "postsrsd"],
    }  # fmt: skip
    assert [one.strip() for one in log_lines(line, whole=True)][1:] == [
        "the lockdown's rules were missing or changed, and were loaded again",
        "postsrsd had died and was started",
    ]


def test_a_site_that_was_left_out_has_a_line() -> None:
    line: ConclusionLine = {
        "at": "2026-11-22T10:02:00Z", "outcome": "Applied", "revision": "", "findings": [],
        "left_out": {"site12": "3f2a9c1d", "site13": ""}
    }  # fmt: skip
    assert [one.strip() for one in log_lines(line, whole=True)][1:] == [
        "site12 is left out and stays as in 3f2a9c1",
        "site13 is left out and nothing of it is live",
    ]


def test_a_journal_of_the_version_with_one_folder_reads_as_it_did(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Host())
    journal.path.write_bytes((RECORDED / "journal.jsonl").read_bytes())

    shown = [line for conclusion in journal.conclusions() for line in log_lines(conclusion_line(conclusion))]

    assert shown == (RECORDED / "log.txt").read_text().splitlines()


TYPO = Finding(rule="unknown-restriction", where=Where("mail.yaml", 3), text="unknown restriction", subject="x")


def refused(minute: int, revision: str = "c" * 40) -> RefusedCheck:
    at = datetime(2026, 11, 22, 10, minute, tzinfo=UTC)
    return RefusedCheck(revision=revision, uid=1001, user="ada", findings=(TYPO,), at=at)


def passed(minute: int) -> Conclusion:
    at = datetime(2026, 11, 22, 10, minute, tzinfo=UTC)
    return Conclusion(outcome=Applied(), revision="p" * 40, at=at)


def test_a_refused_check_stands_between_the_passes_with_the_user_who_asked(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Host())
    journal.conclude(passed(1))
    journal.refuse(refused(2))
    journal.conclude(passed(3))
    outcomes = [line["outcome"] for line in recorded(journal, "", 20)]
    assert outcomes == ["Applied", "CheckRefused", "Applied"]
    (check,) = recorded(journal, "c" * 40, 20)
    assert list(log_lines(check)) == [
        "2026-11-22 10:02:00  check refused  ccccccc",
        "    mail.yaml:3:1: unknown restriction; asked for by ada (uid 1001)",
    ]


def test_refused_checks_never_push_a_pass_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Host())
    for minute in (1, 2):
        journal.conclude(passed(minute))
    for minute in range(3, 40):
        journal.refuse(refused(minute))
    lines = [*recorded(journal, "", 1)]
    assert [line["outcome"] for line in lines] == ["CheckRefused", "Applied"]
    assert lines[1]["at"] == "2026-11-22T10:02:00Z"


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have local times be those of UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_an_entry_has_two_lines_and_counts_what_it_does_not_show() -> None:
    error = finding_line(TYPO)
    warning = finding_line(replace(TYPO, severity=Severity.WARNING))
    line: ConclusionLine = {
        "at": "2026-11-22T10:02:00Z", "outcome": "Refused", "revision": "c" * 40, "author": "Ada", "subject": "Typo",
        "generation": 3, "findings": [error, warning, error],
    }  # fmt: skip
    assert [*log_lines(line)] == [
        "2026-11-22 10:02:00  refused        ccccccc  generation 3  Typo",
        "    by Ada; mail.yaml:3:1: unknown restriction (and 1 more errors); 1 warning",
    ]
    assert [*log_lines(line, whole=True)][1:] == [
        "    by Ada",
        "    mail.yaml:3:1: unknown restriction",
        "    mail.yaml:3:1: warning: unknown restriction",
        "    mail.yaml:3:1: unknown restriction",
    ]


def test_a_hand_edit_is_a_kind_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Host())
    edited = Edited(files=("main.cf:smtpd_banner",), generation=2)
    journal.conclude(replace(passed(1), edited=edited))
    journal.conclude(replace(passed(2), outcome=Refused((TYPO,))))
    journal.conclude(passed(3))

    def shown(wanted: LogFilter) -> list[str]:
        return [line["at"][14:16] for line in recorded(journal, "", 20, wanted)]

    assert shown(LogFilter(drift=True)) == ["01"]
    assert shown(LogFilter(failed=True)) == ["02"]
    assert shown(LogFilter(drift=True, failed=True)) == ["02", "01"]
    assert shown(LogFilter("2026-11-22T10:02:00Z")) == ["03", "02"]
    (line,) = recorded(journal, "", 20, LogFilter(drift=True))
    assert [*log_lines(line)] == [
        "2026-11-22 10:01:00  reverted       ppppppp",
        "    reverted a hand edit of main.cf:smtpd_banner",
    ]
