"""The lines of ``reconciler log``."""

from __future__ import annotations

from pathlib import Path

from reconciler.commands.log import log_lines
from reconciler.host.effects import Host
from reconciler.state.journal import Journal
from reconciler.state.records import ConclusionLine, conclusion_line

RECORDED = Path(__file__).parents[2] / "transcripts" / "state"


def test_a_service_died_and_the_lockdown_was_loaded_again() -> None:
    line: ConclusionLine = {
        "at": "", "outcome": "Unchanged", "revision": "", "findings": [], "started": ["nftables", "postsrsd"]
    }  # fmt: skip
    assert [one.strip() for one in log_lines(line)][1:] == [
        "the lockdown's rules were missing or changed, and were loaded again",
        "postsrsd had died and was started",
    ]


def test_a_journal_of_the_version_with_one_folder_reads_as_it_did(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Host())
    journal.path.write_bytes((RECORDED / "journal.jsonl").read_bytes())

    shown = [line for conclusion in journal.conclusions() for line in log_lines(conclusion_line(conclusion))]

    assert shown == (RECORDED / "log.txt").read_text().splitlines()
