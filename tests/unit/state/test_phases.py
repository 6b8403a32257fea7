"""A phase on disk is read as it was written, and anything else is none."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.model.phase import Clock, Halted, Phase, Probation, Refusing, Retrying, Steady, Suspended
from reconciler.state.phases import DAMAGED, phase_from, phase_line

PROBATION = Probation(7, datetime(2026, 11, 22, tzinfo=UTC), "a", Clock("boot", 12.5), 300.0, (3, 50, "c"))
PHASES: list[Phase] = [
    Steady(), Retrying("a", 3, "why"), Refusing("a"), Halted("why"), PROBATION,
    Suspended("why", "who", datetime(2026, 11, 22, tzinfo=UTC), "tip", "bad"),
    Suspended("why", "who"),
    replace(PROBATION, earlier=replace(PROBATION, earlier=PROBATION), confirm=True),
    Refusing("b", PROBATION), Retrying("b", 2, "why", PROBATION),
    Suspended("why", "who", datetime(2026, 11, 22, tzinfo=UTC), "tip", "bad", PROBATION),
]  # fmt: skip
ODD: list[object] = [
    None, 7, [], {}, "Steady", {"name": "Unheard"}, {"name": ["Steady"]}, {"name": "Steady", "more": 1},
    {"name": "Refusing"}, {"name": "Refusing", "revision": 7}, {"name": "Refusing", "revision": None},
    {"name": "Refusing", "revision": "a", "probation": {"name": "Steady"}},
    {"name": "Retrying", "revision": "a", "attempts": 0, "reason": "y"},
    {"name": "Retrying", "revision": "a", "attempts": -(10**30), "reason": "y"},
    {"name": "Retrying", "revision": "a", "attempts": True, "reason": "y"},
    {"name": "Retrying", "revision": "a", "attempts": "2", "reason": "y"},
    {"name": "Suspended", "why": "x", "who": "y", "until": 7},
    {"name": "Suspended", "why": "x", "who": "y", "until": "0001-01-01T00:00:00+23:00"},
    {"name": "Suspended", "why": "x", "who": {}, "until": None},
]  # fmt: skip


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_is_read_as_it_was_written(phase: Phase) -> None:
    assert phase_from(json.loads(json.dumps(phase_line(phase)))) == phase


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_anything_else_is_damaged(odd: object) -> None:
    with pytest.raises(DAMAGED):
        phase_from(odd)


def odd_fields() -> list[dict[str, Any]]:
    """A probation with each field of another type, or missing."""
    line = json.loads(json.dumps(phase_line(PROBATION)))
    others: tuple[object, ...] = ([], {}, None, -1, "x", True, float("nan"), float("inf"))
    wrong = [{**line, key: other} for key in line for other in others if type(other) is not type(line[key])]
    needed = ("generation", "until", "revision", "since", "lasts")
    return [one for one in wrong if one["earlier"] is None] + [
        {key: value for key, value in line.items() if key != missing} for missing in needed
    ]


@pytest.mark.parametrize("line", odd_fields(), ids=str)
def test_a_probation_with_a_field_of_another_type_is_damaged(line: dict[str, Any]) -> None:
    with pytest.raises(DAMAGED):
        phase_from(line)
