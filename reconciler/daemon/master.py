"""The state of Postfix's master: whether it runs, and whether it started or died while it was not watched.

Raises nothing: a Postfix whose state can't be read counts as stopped.
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
        """Return its process number, or None while it does not run."""
        try:
            return postfix.running(self._edges.postfix())
        except (ReconcilerError, OSError):
            return None

    def changed(self) -> bool:
        """Return whether the master was started, so that it must be watched again, or died before it was watched.

        A death is reported once: if a pass could not start the master, the timer repeats the pass.
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
