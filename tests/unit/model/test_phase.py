"""next_phase() and its neighbours: every outcome from every phase, and the diagram that is drawn from the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import (
    Applied,
    Broken,
    Finding,
    Outcome,
    Postponed,
    Refused,
    RolledBack,
    Superseded,
    Unchanged,
    Where,
)
from reconciler.model.phase import (
    LONGEST_PAUSE,
    TRANSITIONS,
    Clock,
    Halted,
    Phase,
    Probation,
    Refusing,
    Retrying,
    Steady,
    Suspended,
    carried_on,
    ended,
    failed,
    left,
    next_allowed,
    next_phase,
    on_probation,
    pause,
    probation_of,
    resumed,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def finding(*, lasting: bool) -> Finding:
    return Finding(rule="r", where=Where("mail.yaml"), text="t", subject="s", lasting=lasting)


OUTCOMES: list[tuple[str, Outcome, type]] = [
    ("Applied, Unchanged", Applied(), Steady),
    ("Applied, Unchanged", Unchanged(), Steady),
    ("Postponed, or Refused without a lasting error", Postponed("disk full"), Retrying),
    ("Postponed, or Refused without a lasting error", Refused((finding(lasting=False),)), Retrying),
    ("Refused with a lasting error, or RolledBack", Refused((finding(lasting=False), finding(lasting=True))), Refusing),
    ("Refused with a lasting error, or RolledBack", RolledBack((finding(lasting=False),)), Refusing),
    ("Broken", Broken((finding(lasting=False),)), Halted),
]


@pytest.mark.parametrize("phase", [Steady(), Retrying("a", 1, "x")], ids=["Steady", "Retrying"])
@pytest.mark.parametrize(("name", "outcome", "expected"), OUTCOMES)
def test_every_outcome_leads_where_the_table_says(phase: Phase, name: str, outcome: Outcome, expected: type) -> None:
    assert isinstance(next_phase(phase, outcome, "a"), expected)
    assert (type(phase).__name__, name, expected.__name__) in TRANSITIONS


@pytest.mark.parametrize(("name", "outcome", "expected"), OUTCOMES)
def test_a_halt_ends_with_a_commit_that_goes_live_and_with_no_other(
    name: str, outcome: Outcome, expected: type
) -> None:
    after = next_phase(Halted("x"), outcome, "a")

    assert isinstance(after, expected if expected is Steady else Halted)
    assert ("Halted", name, "Steady") in TRANSITIONS or isinstance(after, Halted)
    if name != "Broken" and expected is not Steady:
        assert after == Halted("x")
    assert next_phase(Halted("x"), Applied(), "a", FIRST) == FIRST
    assert ("Halted", "a commit is Applied", "Probation") in TRANSITIONS


def test_a_superseded_pass_changes_no_phase() -> None:
    assert next_phase(Retrying("a", 2, "x"), Superseded("b"), "a") == Retrying("a", 2, "x")


def test_attempts_count_for_one_revision_only() -> None:
    phase = next_phase(Retrying("a", 2, "x"), Postponed("y"), "a")

    assert phase == Retrying("a", 3, "y")
    assert next_phase(phase, Postponed("y"), "b") == Retrying("b", 1, "y")


def test_the_pause_doubles_and_never_grows_beyond_five_minutes() -> None:
    pauses = [pause(Retrying("a", attempts, "x")) for attempts in range(1, 12)]

    assert pauses[:4] == [2, 4, 8, 16]
    assert pauses[-1] == LONGEST_PAUSE
    assert pause(Steady()) is None


def test_a_drift_that_is_put_back_does_not_lift_a_quarantine() -> None:
    assert next_phase(Refusing("bad"), Applied(), "live") == Refusing("bad")
    assert next_phase(Refusing("bad"), Applied(), "bad") == Steady()


def test_a_quarantine_ends_when_the_branch_moves() -> None:
    assert ended(Refusing("a"), "a", NOW) == Refusing("a")
    assert ended(Refusing("a"), "b", NOW) == Steady()
    assert ended(Refusing("a"), "", NOW) == Refusing("a")


def test_a_suspension_ends_at_its_time_or_when_the_branch_moves_or_not_at_all() -> None:
    timed = Suspended("why", "who", until=NOW + timedelta(hours=1))
    until_push = Suspended("rollback", "who", tip="a", quarantined="a")

    assert ended(timed, "b", NOW) == timed
    assert ended(timed, "b", NOW + timedelta(hours=2)) == Steady()
    assert ended(until_push, "a", NOW) == until_push
    assert ended(until_push, "b", NOW) == Steady()
    assert ended(Suspended("why", "who"), "b", NOW) == Suspended("why", "who")


def test_resume_keeps_the_revision_that_a_rollback_left_behind_in_quarantine() -> None:
    assert resumed(Suspended("rollback", "who", tip="a", quarantined="a")) == Refusing("a")
    assert resumed(Suspended("why", "who")) == Steady()
    assert resumed(Halted("x")) == Steady()
    assert resumed(Refusing("a")) == Refusing("a")


def test_the_diagram_in_architecture_is_drawn_from_the_table() -> None:
    text = (Path(__file__).parents[3] / "ARCHITECTURE.md").read_text()
    drawn = "\n".join(f"    {before} --> {after}: {event}" for before, event, after in TRANSITIONS)

    assert f"```mermaid\nstateDiagram-v2\n    [*] --> Steady\n{drawn}\n```" in text


CLOCK = Clock("boot", 1000.0)
FIRST = Probation(7, NOW + timedelta(minutes=5), "a", CLOCK, 300.0)
SECOND = Probation(8, NOW + timedelta(minutes=6), "b", Clock("boot", 1060.0), 300.0)


@pytest.mark.parametrize("phase", [Steady(), Retrying("a", 1, "x"), replace(FIRST, revision="z")])
def test_a_commit_that_went_live_is_on_probation(phase: Phase) -> None:
    after = next_phase(phase, Applied(), "a", FIRST)

    assert isinstance(after, Probation)
    assert (after.generation, after.revision) == (7, "a")
    assert (type(phase).__name__, "a commit is Applied", "Probation") in TRANSITIONS


@pytest.mark.parametrize(("name", "outcome", "expected"), OUTCOMES)
def test_a_probation_goes_on_beneath_whatever_comes_after_it(name: str, outcome: Outcome, expected: type) -> None:
    after = next_phase(FIRST, outcome, "b")

    if expected is Steady:
        assert after == FIRST
    else:
        assert isinstance(after, expected)
        assert probation_of(after) == (None if expected is Halted else FIRST)
    assert ("Probation", name, type(after).__name__) in TRANSITIONS


def test_a_quarantine_and_a_suspension_end_in_the_probation_that_went_on() -> None:
    assert ended(Refusing("b", FIRST), "c", NOW) == FIRST
    assert ended(Retrying("b", 1, "x", FIRST), "c", NOW) == FIRST
    assert resumed(Suspended("why", "who", probation=FIRST)) == FIRST
    assert resumed(Suspended("why", "who", quarantined="b", probation=FIRST)) == Refusing("b", FIRST)
    assert on_probation(Refusing("b", FIRST), None) == Refusing("b")
    assert on_probation(FIRST, None) == Steady()


def test_a_newer_commit_that_goes_back_leaves_the_one_before_it_on_what_is_left_of_its_probation() -> None:
    both = next_phase(replace(FIRST, confirm=True), Applied(), "b", SECOND)
    assert isinstance(both, Probation)

    back = failed(both, both, (3, 50, ""))

    assert back == Refusing("b", replace(FIRST, mark=(3, 50, ""), confirm=False))
    assert failed(FIRST, FIRST, (3, 50, "")) == Refusing("a")
    assert failed(Refusing("c", FIRST), FIRST, (0, 0, "")) == Refusing("c")


def test_no_wall_clock_ends_a_probation_or_prolongs_it() -> None:
    for until in (NOW - timedelta(days=9), NOW + timedelta(days=9)):
        jumped = replace(FIRST, until=until)
        assert left(jumped, CLOCK) == 300
        assert left(jumped, Clock("boot", 1299.0)) == 1
        assert left(jumped, Clock("boot", 1300.0)) == 0
        assert left(jumped, Clock("boot", 9999.0)) == 0
        assert carried_on(jumped, Clock("boot", 1299.0), NOW) == jumped


def test_after_a_boot_a_probation_begins_its_time_anew() -> None:
    booted = Clock("another boot", 12.0)

    assert left(FIRST, booted) == 300
    again = carried_on(FIRST, booted, NOW)
    assert (again.since, again.until) == (booted, NOW + timedelta(seconds=300))
    assert left(again, Clock("another boot", 311.0)) == 1


def test_three_reloads_are_free_and_each_comes_back_after_the_interval() -> None:
    assert next_allowed([], 50.0, 5.0) == 50
    assert next_allowed([50.0, 50.1], 50.2, 5.0) == 50.2
    assert next_allowed([50.0, 50.0, 50.0], 50.0, 5.0) == 55
    assert next_allowed([50.0, 50.0, 50.0], 57.0, 5.0) == 57
    assert next_allowed([50.0, 50.0, 50.0, 55.0], 55.0, 5.0) == 60
    assert next_allowed([50.0, 50.0, 50.0], 50.0, 0.0) == 50


@given(st.lists(st.floats(0, 100), max_size=40), st.floats(0.5, 20))
def test_no_storm_reloads_faster_than_its_pace(waits: list[float], interval: float) -> None:
    now, made = 0.0, list[float]()
    for wait in waits:
        now = next_allowed(made, now + wait / 10, interval)
        made.append(now)
    for start, first in enumerate(made):
        for further, last in enumerate(made[start:]):
            assert further + 1 <= 3 + (last - first) / interval + 1e-6
