"""Outcomes: each way in which a pass can end is a value of its own."""

from __future__ import annotations

from typing import get_args

import pytest

from reconciler.model import Applied, Broken, Outcome, Postponed, Refused, RolledBack, Superseded, Unchanged
from reconciler.trees.report import EXIT


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


@pytest.mark.parametrize("kind", get_args(Outcome))
def test_every_outcome_has_an_exit_status(kind: type) -> None:
    assert kind in EXIT
