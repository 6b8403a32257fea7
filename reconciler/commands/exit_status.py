"""The exit statuses of the commands, stable for scripts; each command's help lists its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Applied, Broken, Postponed, Refused, RolledBack, Superseded, Unchanged
from reconciler.passes.internal_error import is_internal

if TYPE_CHECKING:
    from reconciler.model import Outcome
    from reconciler.model.errors import WithFindings

REFUSED, USAGE, BUG, TEMPORARY, NOT_PERMITTED, CONFIGURATION, INTERRUPTED = 1, 64, 70, 75, 77, 78, 130
_BY_OUTCOME: dict[type[Outcome], int] = {
    Unchanged: 0, Applied: 0, Refused: REFUSED, RolledBack: 3, Broken: 4, Postponed: TEMPORARY, Superseded: TEMPORARY,
}  # fmt: skip
_BY_NAME = {kind.__name__.lower(): status for kind, status in _BY_OUTCOME.items()}


def status_of(outcome: Outcome) -> int:
    """Return the exit status of a command whose own pass had this outcome; a bug in reconciler has one of its own."""
    if isinstance(outcome, Postponed) and is_internal(outcome.findings):
        return BUG
    return _BY_OUTCOME[type(outcome)]


def status_without(error: WithFindings) -> int:
    """Return the exit status of a command that could not judge a commit for that error."""
    return BUG if is_internal(error.findings) else REFUSED


def status_named(outcome: str) -> int:
    """Return the exit status for an outcome that the daemon names; any other name means that the pass still runs."""
    return _BY_NAME.get(outcome, TEMPORARY)
