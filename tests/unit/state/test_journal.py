"""The journal: intents and conclusions survive, torn lines do not matter, the phase is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.model import Applied, Finding, Postponed, Refused, Severity, Where
from reconciler.model.phase import Clock, Halted, Phase, Probation, Refusing, Retrying, Steady, Suspended
from reconciler.state.journal import Journal, conclusion, finding_data, finding_from, phase_data

if TYPE_CHECKING:
    from pathlib import Path

PROBATION = Probation(7, datetime(2026, 11, 22, tzinfo=UTC), "a", Clock("boot", 12.5), 300.0, (3, 50, "c"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, Host())


def test_an_intent_without_a_conclusion_is_open_and_tells_its_steps(journal: Journal) -> None:
    journal.conclude(conclusion(Applied(), "a", 0.1))
    journal.intend({"revision": "b", "ran": True})
    journal.step("swap")
    journal.step("restart")

    assert journal.open_intent() == {"revision": "b", "ran": True, "steps": ["swap", "restart"]}


def test_a_conclusion_closes_the_intent(journal: Journal) -> None:
    journal.intend({"revision": "b"})
    journal.conclude(conclusion(Applied(), "b", 0.1))

    assert journal.open_intent() is None
    assert [line["revision"] for line in journal.conclusions()] == ["b"]


@pytest.mark.parametrize("torn", [b'{"conclus', b"\xff\xfe", b'{"intent": 1}x', b"[]"])
def test_a_torn_last_line_is_dropped_and_the_next_one_stands_alone(journal: Journal, torn: bytes) -> None:
    journal.intend({"revision": "b"})
    with journal.path.open("ab") as stream:
        stream.write(torn)

    assert journal.open_intent() == {"revision": "b", "steps": []}
    journal.conclude(conclusion(Applied(), "b", 0.1))
    assert journal.open_intent() is None


def test_the_last_conclusion_can_be_asked_for_by_revision(journal: Journal) -> None:
    for revision, outcome in (("a", Applied()), ("b", Postponed("disk full"))):
        journal.conclude(conclusion(outcome, revision, 0.1))

    newest, first = journal.last(), journal.last("a")

    assert newest
    assert first
    assert (newest["outcome"], newest["reason"], first["outcome"]) == ("Postponed", "disk full", "Applied")
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


def test_what_people_are_told_of_a_probation_is_what_they_may_ask() -> None:
    told = {"generation": 7, "until": "2026-11-22T00:00:00+00:00", "revision": "a", "confirm": False}

    assert phase_data(PROBATION) == {"name": "Probation", **told}
    assert phase_data(Refusing("b", PROBATION)) == {"name": "Refusing", "revision": "b", "probation": told}
    assert phase_data(Refusing("b")) == {"name": "Refusing", "revision": "b"}


def test_without_a_record_the_phase_is_steady_and_a_broken_record_halts(journal: Journal, tmp_path: Path) -> None:
    assert journal.phase() == Steady()

    (tmp_path / "phase.json").write_text("{nonsense")

    assert isinstance(journal.phase(), Halted)


def test_a_finding_survives_the_journal() -> None:
    finding = Finding(rule="r", where=Where("f", 2, 3), text="t", subject="s", severity=Severity.WARNING, lasting=False)

    assert finding_from(finding_data(finding)) == finding


def test_a_conclusion_has_the_names_of_the_contract() -> None:
    finding = Finding(rule="r", where=Where("f", 2, 3), text="t", subject="s")

    line = conclusion(Refused((finding,)), "a" * 40, 0.4141)

    assert {"outcome", "revision", "at", "seconds", "findings"} <= line.keys()
    assert line["seconds"] == 0.414
    assert {"rule", "file", "line", "column", "severity", "lasting", "text"} <= line["findings"][0].keys()
