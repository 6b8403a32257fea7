"""next_phase() and its neighbours: every outcome from every phase, and the diagram that is drawn from the table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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
)  # fmt: skip
from reconciler.phase import (
    LONGEST_PAUSE,
    TRANSITIONS,
    Halted,
    Phase,
    Refusing,
    Retrying,
    Steady,
    Suspended,
    ended,
    next_phase,
    pause,
    resumed,
)  # fmt: skip

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def finding(*, lasting: bool) -> Finding:
    return Finding(rule="r", where=Where("mail.yaml"), text="t", subject="s", lasting=lasting)


OUTCOMES: list[tuple[str, Outcome, type]] = [
    ("Applied, Unchanged", Applied(), Steady),
    ("Applied, Unchanged", Unchanged(), Steady),
    ("Postponed, or Refused for the moment", Postponed("disk full"), Retrying),
    ("Postponed, or Refused for the moment", Refused((finding(lasting=False),)), Retrying),
    ("Refused for good, or RolledBack", Refused((finding(lasting=False), finding(lasting=True))), Refusing),
    ("Refused for good, or RolledBack", RolledBack((finding(lasting=False),)), Refusing),
    ("Broken", Broken((finding(lasting=False),)), Halted),
]


@pytest.mark.parametrize("phase", [Steady(), Retrying("a", 1, "x")], ids=["Steady", "Retrying"])
@pytest.mark.parametrize(("name", "outcome", "expected"), OUTCOMES)
def test_every_outcome_leads_where_the_table_says(phase: Phase, name: str, outcome: Outcome, expected: type) -> None:
    assert isinstance(next_phase(phase, outcome, "a"), expected)
    assert (type(phase).__name__, name, expected.__name__) in TRANSITIONS


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
    text = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text()
    drawn = "\n".join(f"    {before} --> {after}: {event}" for before, event, after in TRANSITIONS)

    assert f"```mermaid\nstateDiagram-v2\n    [*] --> Steady\n{drawn}\n```" in text
