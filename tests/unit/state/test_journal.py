"""The journal: intents and conclusions survive, torn lines do not matter, the phase is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.host.effects import Host
from reconciler.model import Applied, Postponed
from reconciler.model.phase import Clock, Halted, Phase, Probation, Refusing, Retrying, Steady, Suspended
from reconciler.state.journal import Journal
from reconciler.state.records import Conclusion, Intent, Step
from reconciler.state.source import Source, SourceKind

INTENT = Intent(
    revision="b",
    source=Source(SourceKind.ROLLBACK, number=3),
    before=Path("/state/generations/4-b"),
    newest=4,
    ran=True,
)
PROBATION = Probation(7, datetime(2026, 11, 22, tzinfo=UTC), "a", Clock("boot", 12.5), 300.0, (3, 50, "c"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, Host())


def test_an_intent_without_a_conclusion_is_open_and_tells_its_steps(journal: Journal) -> None:
    journal.conclude(Conclusion(outcome=Applied(), revision="a"))
    journal.intend(INTENT)
    journal.step(Step.SWAP)
    journal.touch("postsrsd")
    journal.step(Step.RESTART)

    steps, companions = frozenset({Step.SWAP, Step.RESTART}), frozenset({"postsrsd"})
    assert journal.open_intent() == replace(INTENT, steps=steps, companions=companions)


def test_a_conclusion_closes_the_intent(journal: Journal) -> None:
    journal.intend(INTENT)
    journal.conclude(Conclusion(outcome=Applied(), revision="b"))

    assert journal.open_intent() is None
    assert [conclusion.revision for conclusion in journal.conclusions()] == ["b"]


@pytest.mark.parametrize("torn", [b'{"conclus', b"\xff\xfe", b'{"intent": 1}x', b"[]"])
def test_a_torn_last_line_is_dropped_and_the_next_one_stands_alone(journal: Journal, torn: bytes) -> None:
    journal.intend(INTENT)
    with journal.path.open("ab") as stream:
        stream.write(torn)

    assert journal.open_intent() == INTENT
    journal.conclude(Conclusion(outcome=Applied(), revision="b"))
    assert journal.open_intent() is None


def test_the_last_conclusion_can_be_asked_for_by_revision(journal: Journal) -> None:
    for revision, outcome in (("a", Applied()), ("b", Postponed("disk full"))):
        journal.conclude(Conclusion(outcome=outcome, revision=revision))

    newest, first = journal.last(), journal.last("a")

    assert newest
    assert first
    assert (newest.outcome, first.outcome) == (Postponed("disk full"), Applied())
    assert journal.last("c") is None


@pytest.mark.parametrize(
    "phase",
    [
        Steady(),
        Retrying("a", 3, "why"),
        Refusing("a"),
        Suspended("why", "who", datetime(2026, 11, 22, tzinfo=UTC), "tip", "bad"),
        Suspended("why", "who"),
        Halted("why"),
        PROBATION,
        replace(PROBATION, earlier=replace(PROBATION, earlier=PROBATION), confirm=True),
        Refusing("b", PROBATION),
        Retrying("b", 2, "why", PROBATION),
        Suspended("why", "who", datetime(2026, 11, 22, tzinfo=UTC), "tip", "bad", PROBATION),
    ],
)
def test_a_phase_is_read_as_it_was_written(journal: Journal, phase: Phase) -> None:
    journal.set_phase(phase)

    assert journal.phase() == phase


def recorded_status() -> list[dict[str, Any]]:
    """Return what 3ae6ec3 stored at several moments of a host."""
    path = Path(__file__).parents[2] / "transcripts" / "state" / "status.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("moment", recorded_status(), ids=lambda moment: str(moment["stored"]["name"]))
def test_a_recorded_phase_is_written_again_as_the_earlier_version_wrote_it(
    journal: Journal, tmp_path: Path, moment: dict[str, Any]
) -> None:
    stored = json.dumps(moment["stored"])
    (tmp_path / "phase.json").write_text(stored)
    phase = journal.phase()

    assert type(phase).__name__ == moment["stored"]["name"]
    journal.set_phase(Halted("in between"))
    journal.set_phase(phase)
    assert (tmp_path / "phase.json").read_text() == stored


def test_without_a_record_the_phase_is_steady_and_a_broken_record_halts(journal: Journal, tmp_path: Path) -> None:
    assert journal.phase() == Steady()

    (tmp_path / "phase.json").write_text("{nonsense")

    assert isinstance(journal.phase(), Halted)
