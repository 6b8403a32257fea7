"""The exit statuses of the commands, stable for scripts; each command's help lists its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.passes.internal_error import is_internal

if TYPE_CHECKING:
    from reconciler.model import Outcome
    from reconciler.model.errors import WithFindings

REFUSED, USAGE, BUG, TEMPORARY, NOT_PERMITTED, CONFIGURATION, INTERRUPTED = 1, 64, 70, 75, 77, 78, 130
_POSTPONED = "postponed"
_BY_NAME = {
    "unchanged": 0, "applied": 0, "refused": REFUSED, "rolledback": 3, "broken": 4, _POSTPONED: TEMPORARY,
    "superseded": TEMPORARY,
}  # fmt: skip


def status_of(outcome: Outcome) -> int:
    """Return the exit status of a command whose own pass had this outcome; a bug in reconciler has one of its own."""
    name = type(outcome).__name__.lower()
    return BUG if name == _POSTPONED and is_internal(getattr(outcome, "findings", ())) else _BY_NAME[name]


def status_without(error: WithFindings) -> int:
    """Return the exit status of a command that could not judge a commit for that error."""
    return BUG if is_internal(error.findings) else REFUSED


def status_named(outcome: str) -> int:
    """Return the exit status for an outcome that the daemon names; any other name means that the pass still runs."""
    return _BY_NAME.get(outcome, TEMPORARY)
