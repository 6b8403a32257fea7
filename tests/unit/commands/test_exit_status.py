"""What commands exit with: the numbers of the contract."""

from __future__ import annotations

from typing import get_args

import pytest

from reconciler.commands.exit_status import status_named, status_of, status_without
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
from reconciler.model.errors import CheckFailed
from reconciler.passes.internal_error import InternalError

OUTCOMES = [
    (Unchanged(), 0),
    (Applied(), 0),
    (Refused(()), 1),
    (RolledBack(()), 3),
    (Broken(()), 4),
    (Postponed("why"), 75),
    (Superseded("a"), 75),
]
BUG = Finding(rule="internal-error", where=Where("reconciler/x.py", 7), text="a bug", subject="x", lasting=False)
WRONG = Finding(rule="unknown-key", where=Where("mail.yaml"), text="wrong", subject="x")


def test_every_outcome_has_an_exit_status() -> None:
    assert {type(outcome) for outcome, _ in OUTCOMES} == {*get_args(Outcome)}


@pytest.mark.parametrize(("outcome", "status"), OUTCOMES)
def test_an_ending_has_its_exit_status_also_by_the_word_that_the_daemon_sends(outcome: Outcome, status: int) -> None:
    assert status_of(outcome) == status
    assert status_named(type(outcome).__name__.lower()) == status


def test_a_bug_in_reconciler_is_no_refusal() -> None:
    assert status_of(Postponed("a bug", (BUG,))) == 70
    assert status_without(InternalError(BUG, "Traceback")) == 70
    assert status_without(CheckFailed([WRONG])) == 1


def test_a_pass_that_has_not_ended_yet_is_temporary() -> None:
    assert status_named("pending") == 75
