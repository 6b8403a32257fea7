"""The journal: intents and conclusions survive, torn and damaged lines do not matter, the phase is kept."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.host.effects import Host
from reconciler.model import Applied, Broken, Finding, Postponed, Refused, RolledBack, Unchanged, Where
from reconciler.model.phase import Halted, Phase, Refusing, Retrying, Steady, Suspended
from reconciler.state.journal import MOST_REFUSED, Journal
from reconciler.state.records import Conclusion, Intent, RefusedCheck, Step
from reconciler.state.source import Source, SourceKind
from tests.unit.state.test_phases import PHASES, PROBATION

if TYPE_CHECKING:
    from collections.abc import Callable

INTENT = Intent(
    revision="b",
    source=Source(SourceKind.ROLLBACK, number=3),
    before=Path("/state/generations/4-b"),
    newest=4,
    ran=True,
)
LASTING = Finding(rule="r", where=Where("mail.yaml"), text="wrong", subject="it")
SUSPENDED = Suspended("why", "who", datetime(2026, 11, 22, tzinfo=UTC), "tip", "bad", PROBATION)


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


@pytest.mark.parametrize("phase", PHASES)
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


# ---- damage ----------------------------------------------------------------------------------------------------------


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda text: text[: len(text) // 2],
    "noise": lambda _: bytes(range(256)),
    "zeros": lambda text: bytes(len(text)),
    "another type": lambda _: b"[7]",
    "deep": lambda _: b"[" * 100_000,
    "another phase's fields": lambda _: b'{"name": "Halted", "attempts": 3}',
}


def test_without_a_record_the_phase_is_steady(journal: Journal) -> None:
    assert journal.phase() == Steady()
    assert journal.limits() == []


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("phase", PHASES)
def test_a_damaged_phase_is_recovered_from_the_journal_and_written_again(
    journal: Journal, tmp_path: Path, phase: Phase, damage: str
) -> None:
    stored = tmp_path / "phase.json"
    journal.set_phase(Refusing("an earlier one"))
    journal.set_phase(phase)
    journal.conclude(Conclusion(outcome=Postponed("later"), revision="c"))
    whole = stored.read_bytes()
    stored.write_bytes(DAMAGE[damage](whole))

    assert journal.phase() == phase
    assert journal.limits() == [f"{stored} can't be read; the phase is taken from the journal"]

    journal.set_phase(journal.phase())
    assert stored.read_bytes() == whole
    assert journal.limits() == []


def test_a_phase_that_is_missing_is_recovered_as_well(journal: Journal, tmp_path: Path) -> None:
    journal.set_phase(SUSPENDED)
    (tmp_path / "phase.json").unlink()

    assert journal.phase() == SUSPENDED


ENDINGS: list[tuple[Conclusion, Phase]] = [
    (Conclusion(outcome=Refused((LASTING,)), revision="a"), Refusing("a")),
    (Conclusion(outcome=RolledBack((LASTING,)), revision="a"), Refusing("a")),
    (Conclusion(outcome=Refused((replace(LASTING, lasting=False),)), revision="a"), Retrying("a", 1, str(LASTING))),
    (Conclusion(outcome=Broken((LASTING,)), revision="a"), Halted(str(LASTING))),
    (Conclusion(outcome=Applied(), revision="a"), Steady()),
    (
        Conclusion(outcome=Applied(), revision="", why="rollback of 3 by ada"),
        Suspended("rollback of 3 by ada", "an operator"),
    ),
    (Conclusion(outcome=Applied(), revision="", why="rescue by ada"), Suspended("rescue by ada", "an operator")),
    (Conclusion(outcome=Unchanged(), revision="", why="adopted"), Steady()),
]


@pytest.mark.parametrize(("ended", "phase"), ENDINGS)
def test_a_journal_of_an_earlier_version_tells_the_phase_by_its_last_conclusion(
    journal: Journal, tmp_path: Path, ended: Conclusion, phase: Phase
) -> None:
    journal.conclude(Conclusion(outcome=Applied(), revision="0"))
    journal.conclude(ended)
    (tmp_path / "phase.json").write_text("")

    assert journal.phase() == phase


ENDED = {"outcome": "Applied", "revision": "a", "at": "2026-11-22T00:00:00Z", "seconds": 1, "findings": []}
ODD_ENDINGS: list[dict[str, object]] = [
    {"outcome": ["Applied"]}, {"outcome": "Unheard"}, {"revision": 5}, {"at": 5}, {"at": "today"}, {"seconds": []},
    {"findings": [3]}, {"findings": None}, {"drift": [1]}, {"author": 7}, {"started": {}}, {"why": ["x"]},
]  # fmt: skip
ODD_LINES: list[object] = [
    {"intent": 7}, {"intent": {}}, {"intent": {"revision": [], "source": "commit a", "before": "", "ran": True}},
    {"intent": {"revision": "a", "source": "commit a", "before": 7, "ran": True}},
    {"intent": {"revision": "a", "source": "commit a", "before": "", "ran": True, "newest": [1]}},
    {"conclusion": 7}, {"conclusion": []}, {"phase": "Steady"}, {"phase": {"name": "Retrying"}}, {"other": 1},
    *({"conclusion": ENDED | odd} for odd in ODD_ENDINGS),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_LINES, ids=str)
def test_a_line_of_an_odd_type_is_ignored_and_is_a_limit(journal: Journal, odd: object) -> None:
    known = Conclusion(outcome=Applied(), revision="known")
    journal.conclude(known)
    journal.set_phase(SUSPENDED)
    with journal.path.open("a") as stream:
        stream.write(f"{json.dumps(odd)}\n")

    assert journal.open_intent() is None
    assert journal.last() == known
    assert journal.phase() == SUSPENDED
    assert journal.limits() == [f"{journal.path}: 1 of the last lines can't be read and are ignored"]


def test_what_the_journal_writes_itself_is_no_limit_and_neither_is_a_torn_last_line(journal: Journal) -> None:
    journal.intend(INTENT)
    journal.step(Step.SWAP)
    journal.touch("postsrsd")
    journal.set_phase(PROBATION)
    journal.conclude(Conclusion(outcome=Refused((LASTING,)), revision="b"))
    with journal.path.open("ab") as stream:
        stream.write(b'{"conclus')

    assert journal.limits() == []


def test_the_limits_of_a_long_journal_are_those_of_its_end(journal: Journal) -> None:
    with journal.path.open("w") as stream:
        stream.write("noise\n" * 50_000)
        stream.write(f"{json.dumps({'step': 'x' * 1000})}\n" * 100)

    assert journal.limits() == []


def test_a_phase_without_room_for_its_file_is_the_journals_and_is_written_there_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.set_phase(Steady())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(journal.host, "replace", full)
        for phase in (Refusing("a" * 40), Retrying("b" * 40, 1, "no space")):
            journal.set_phase(phase)
            assert journal.phase() == phase
            size = journal.path.stat().st_size
            journal.set_phase(phase)
            assert journal.path.stat().st_size == size
    journal.set_phase(Steady())
    assert journal.phase() == Steady()
    assert journal.limits() == []


# ---- refused checks --------------------------------------------------------------------------------------------------


def refused(number: int) -> RefusedCheck:
    finding = Finding(rule="r", where=Where("mail.yaml", 3), text="x" * 2000, subject="s")
    return RefusedCheck(revision=f"{number:040}", uid=1001, user="ada", findings=(finding,), seconds=0.5)


def test_a_refused_check_is_read_back_as_it_was_and_is_no_pass(journal: Journal) -> None:
    journal.intend(INTENT)
    journal.refuse(refused(1))
    (read,) = journal.refused()
    assert read == replace(refused(1), at=read.at)
    assert [*journal.refused("0" * 40)] == []
    assert journal.open_intent() == INTENT
    assert journal.last() is None


def test_any_number_of_refused_checks_takes_a_bounded_place_and_no_pass(journal: Journal) -> None:
    journal.conclude(Conclusion(outcome=Applied(), revision="a"))
    for number in range(700):
        journal.refuse(refused(number))
    assert journal.refused_path.stat().st_size < MOST_REFUSED + 4096
    assert next(journal.refused()).revision == f"{699:040}"
    assert journal.last() is not None


def test_a_damaged_line_of_a_refused_check_is_left_out(journal: Journal) -> None:
    journal.refuse(refused(1))
    with journal.refused_path.open("a") as stream:
        stream.write('{"refused": {"revision": 1}}\n{"refused": null}\n[]\n{"ref')
    journal.refuse(refused(2))
    assert [check.revision for check in journal.refused()] == [refused(2).revision, refused(1).revision]
