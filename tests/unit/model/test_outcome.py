"""Outcomes: each way in which a pass can end is a value of its own."""

from __future__ import annotations

from typing import get_args

from reconciler.model import Applied, Broken, Outcome, Postponed, Refused, RolledBack, Superseded, Unchanged


def test_outcomes_are_told_apart_even_when_they_hold_the_same() -> None:
    same: list[Outcome] = [
        Applied(),
        Unchanged(),
        Refused(()),
        RolledBack(()),
        Broken(()),
        Postponed("x"),
        Superseded("x"),
    ]

    assert len(set(same)) == len(get_args(Outcome)) == len(same)
