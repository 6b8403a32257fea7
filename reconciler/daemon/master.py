"""Postfix's master as the daemon sees it: whether it runs, and its return or its death while it was not watched.

Raises nothing: a Postfix that can't be asked is taken for one that does not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.apply.activate import died
from reconciler.host.programs import postfix
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges


class Master:
    """The master of one host's Postfix."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._reported: int | None = None

    def pid(self) -> int | None:
        """Its process; None while it does not run."""
        try:
            return postfix.running(self._edges.postfix())
        except (ReconcilerError, OSError):
            return None

    def changed(self) -> bool:
        """Whether it was started, so that its end must be noticed from now on, or died before it was watched.

        A death is reported once: a pass that could not start it again is for the timer to repeat.
        """
        try:
            instance = self._edges.postfix()
            last = postfix.last_pid(instance)
            if postfix.running(instance) is not None:
                return True
            if last == self._reported or not died(instance, self._edges.host):
                return False
        except (ReconcilerError, OSError):
            return False
        self._reported = last
        return True
