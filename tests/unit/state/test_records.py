"""The journal's lines as values, read from what the version with one folder (3ae6ec3) left on real hosts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.host.attribution import Attribution
from reconciler.host.effects import Host
from reconciler.model import Applied, Broken, Finding, Postponed, Refused, RolledBack, Superseded, Unchanged, Where
from reconciler.state.journal import Journal
from reconciler.state.records import (
    About,
    Conclusion,
    Edited,
    Intent,
    Step,
    conclusion_from,
    conclusion_line,
    finding_from,
    finding_line,
    intent_from,
    intent_line,
)
from reconciler.state.source import Source, SourceKind

RECORDED = Path(__file__).parents[2] / "transcripts" / "state"
REVISION = "e463b1a998ff3ef52da24ad0e49c5a8680e169f4"
GENERATIONS = Path("/var/lib/reconciler/generations")


def lines(name: str, kind: str) -> list[dict[str, Any]]:
    """Return the recorded lines of a kind, oldest first."""
    read = (json.loads(line) for line in (RECORDED / name).read_text().splitlines())
    return [line[kind] for line in read if kind in line]


def journal(name: str, tmp_path: Path) -> Journal:
    """Return a journal that holds what was recorded."""
    made = Journal(tmp_path, Host())
    made.path.write_bytes((RECORDED / name).read_bytes())
    return made


# ---- conclusions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["journal.jsonl", "cut-short.jsonl", "written.jsonl"])
def test_a_recorded_conclusion_is_written_again_key_by_key(name: str) -> None:
    recorded = lines(name, "conclusion")

    assert recorded
    assert [json.dumps(conclusion_line(conclusion_from(line))) for line in recorded] == [*map(json.dumps, recorded)]


def test_log_prints_what_the_earlier_version_printed(tmp_path: Path) -> None:
    recorded = journal("journal.jsonl", tmp_path)

    printed = [json.dumps(conclusion_line(conclusion)) for conclusion in recorded.conclusions()]

    assert printed == (RECORDED / "log.jsonl").read_text().splitlines()


def test_every_kind_of_ending_was_recorded(tmp_path: Path) -> None:
    names = ("journal.jsonl", "written.jsonl")
    ended = [conclusion.outcome for name in names for conclusion in journal(name, tmp_path).conclusions()]

    kinds = {Unchanged, Applied, Refused, RolledBack, Broken, Postponed, Superseded}
    assert {type(outcome) for outcome in ended} == kinds


@pytest.mark.parametrize("kind", [Applied, Unchanged])
def test_sites_that_were_left_out_are_a_key_of_their_own(kind: type[Applied | Unchanged]) -> None:
    ended = Conclusion(outcome=kind((), {"site12": "a" * 40, "site13": ""}), revision=REVISION)
    line = conclusion_line(ended)
    assert line["left_out"] == {"site12": "a" * 40, "site13": ""}
    assert conclusion_from(json.loads(json.dumps(line))) == ended
    assert "left_out" not in conclusion_line(Conclusion(outcome=kind(), revision=REVISION))


def test_what_was_verified_is_a_key_of_its_own() -> None:
    for outcome in (Applied(verified="2 listeners"), Applied((), {"site12": ""}, "2 listeners")):
        line = conclusion_line(Conclusion(outcome=outcome, revision=REVISION))
        assert line["verified"] == "2 listeners"
        assert conclusion_from(line).outcome == outcome
    assert "verified" not in conclusion_line(Conclusion(outcome=Applied(), revision=REVISION))


def test_a_pass_with_a_hand_edit_is_read_as_one_value() -> None:
    kept, package, left, *_ = map(conclusion_from, lines("written.jsonl", "conclusion"))

    at = kept.at.timestamp()
    assert kept == Conclusion(
        outcome=Applied(),
        revision="3f2a9c1" * 5,
        seconds=1.235,
        at=kept.at,
        about=About("Ada <ada@example.com>", "Subject", 8),
        wake="drift",
        edited=Edited(
            files=("main.cf", "transport"),
            by=Attribution(who="ada was on pts/3", at=at),
            generation=7,
            kept="c" * 40,
            kept_on="drift/mx1.example.com",
        ),
    )
    assert package.edited
    assert package.edited.by == Attribution(who="dpkg", at=at, package="postfix 3.7.11-0+deb12u1")
    assert left.edited == Edited(
        left_alone=("main.cf:smtpd_banner",), not_kept="no commit on drift/mx1.example.com: disk full"
    )
    assert (left.revived, left.started) == (True, ("postsrsd", "nftables"))


def test_a_finding_survives_the_journal() -> None:
    finding = Finding(rule="r", where=Where("f", 2, 3), text="t", subject="s").as_warning("why")

    assert finding_from(finding_line(finding)) == finding


def test_a_conclusion_has_the_names_of_the_contract() -> None:
    finding = Finding(rule="r", where=Where("f", 2, 3), text="t", subject="s")
    at = datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC)

    line = conclusion_line(Conclusion(outcome=Refused((finding,)), revision="a" * 40, seconds=0.4141, at=at))

    assert line == {
        "outcome": "Refused",
        "revision": "a" * 40,
        "at": "2026-11-26T01:02:03Z",
        "seconds": 0.414,
        "findings": [finding_line(finding)],
    }
    assert finding_line(finding) == {
        "rule": "r", "file": "f", "line": 2, "column": 3, "severity": "error", "lasting": True, "text": "t",
        "subject": "s",
    }  # fmt: skip


# ---- intents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["journal.jsonl", "cut-short.jsonl", "adopting.jsonl"])
def test_a_recorded_intent_is_written_again_as_it_was(name: str) -> None:
    recorded = lines(name, "intent")

    assert recorded
    assert [json.dumps(intent_line(intent_from(line, ()))) for line in recorded] == [*map(json.dumps, recorded)]


def test_what_was_cut_short_after_the_swap_is_known_with_its_steps(tmp_path: Path) -> None:
    assert journal("cut-short.jsonl", tmp_path).open_intent() == Intent(
        revision=REVISION,
        source=Source(SourceKind.COMMIT, name="e463b1a"),
        before=GENERATIONS / "2-7b549ca",
        newest=2,
        ran=True,
        steps=frozenset({Step.SWAP, Step.RESTART}),
        companions=frozenset({"postsrsd"}),
    )


def test_an_adoption_that_was_cut_short_has_no_generation_to_go_back_to(tmp_path: Path) -> None:
    assert journal("adopting.jsonl", tmp_path).open_intent() == Intent(
        revision="", source=Source(SourceKind.ADOPTED), ran=False
    )


def test_what_ended_is_not_open(tmp_path: Path) -> None:
    assert journal("journal.jsonl", tmp_path).open_intent() is None


def test_the_way_back_from_a_probation_is_known_by_its_kind() -> None:
    sources = [intent_from(line, ()).source for line in lines("journal.jsonl", "intent")]

    assert Source(SourceKind.BACK, number=5) in sources
    assert {source.kind for source in sources} >= {SourceKind.ROLLBACK, SourceKind.RESCUE, SourceKind.ADOPTED}


def test_a_step_of_another_version_does_not_stop_a_recovery(tmp_path: Path) -> None:
    recorded = journal("cut-short.jsonl", tmp_path)
    with recorded.path.open("a") as stream:
        stream.write('{"step":"something new"}\n')

    intent = recorded.open_intent()

    assert intent
    assert intent.steps == {Step.SWAP, Step.RESTART}
