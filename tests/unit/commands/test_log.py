"""The lines of ``reconciler log``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from reconciler.commands.log import log_lines, recorded
from reconciler.host.effects import Host
from reconciler.model import Applied, Finding, Where
from reconciler.state.journal import Journal
from reconciler.state.records import Conclusion, ConclusionLine, RefusedCheck, conclusion_line

RECORDED = Path(__file__).parents[2] / "transcripts" / "state"


def test_a_service_died_and_the_lockdown_was_loaded_again() -> None:
    line: ConclusionLine = {
        "at": "", "outcome": "Unchanged", "revision": "", "findings": [], "started": ["nftables", "postsrsd"]
    }  # fmt: skip
    assert [one.strip() for one in log_lines(line)][1:] == [
        "the lockdown's rules were missing or changed, and were loaded again",
        "postsrsd had died and was started",
    ]


def test_a_site_that_was_left_out_has_a_line() -> None:
    line: ConclusionLine = {
        "at": "", "outcome": "Applied", "revision": "", "findings": [], "left_out": {"site12": "3f2a9c1d", "site13": ""}
    }  # fmt: skip
    assert [one.strip() for one in log_lines(line)][1:] == [
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
    assert list(log_lines(next(iter(recorded(journal, "c" * 40, 20))))) == [
        "2026-11-22T10:02:00Z  CheckRefused  ccccccc",
        "    asked for by ada (uid 1001)",
        "    mail.yaml:3:1: unknown restriction",
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
