"""The state of Postfix's master: whether it runs, and whether it started or died while it was not watched.

Raises nothing: a Postfix whose state can't be read counts as stopped.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.apply.activate import died
from reconciler.host.programs import postfix
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges


class Master:
    """The master of one host's Postfix; *lived* is the last time at which it is known to have run, zero for never."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._reported: int | None = None
        self.lived = 0.0

    def pid(self) -> int | None:
        """Return its process number, or None while it does not run."""
        try:
            pid = postfix.running(self._edges.postfix())
        except (ReconcilerError, OSError):
            return None
        if pid is not None:
            self.lived = time.time()
        return pid

    def ended(self) -> None:
        """Remember that it ran until now, when the kernel said that it has ended."""
        self.lived = time.time()

    def changed(self) -> bool:
        """Return whether the master was started, so that it must be watched again, or died before it was watched.

        A death is reported once: if a pass could not start the master, the timer repeats the pass.
        """
        try:
            instance = self._edges.postfix()
            last = postfix.last_pid(instance)
            if postfix.running(instance) is not None:
                return True
            if last == self._reported or not died(instance, self._edges.host, self.lived):
                return False
        except (ReconcilerError, OSError):
            return False
        self._reported = last
        return True
