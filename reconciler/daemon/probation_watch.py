"""The watch over the mail log during a probation: it reads the log only after new lines.

Promises: a quiet log is not read, and a busy log is read once a second; if the kernel can't watch the log, it is read
every few seconds. look() returns the pass that ended the probation. Raises nothing: a failed read is tried again, and
*trouble* contains the reason, and *waiting* why a rollback waits; *doubted* the lines of the last look that no process
of Postfix is known to have written.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.daemon.watch import changes
from reconciler.model.errors import ReconcilerError, WouldStop
from reconciler.model.phase import Suspended, left, pause_after, probation_of
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.look import Look
from reconciler.passes.probation import prove
from reconciler.passes.probation_now import clock

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.passes.record import Passed

GATHER = 1.0  # seconds between two looks at a busy log
WITHOUT_WATCH = 5.0  # seconds between two looks where the log can't be watched


class ProbationWatch:
    """Watches the commit that is on probation, if any; *at* is the time of the next look on the monotonic clock."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._look: Look | None = None
        self.at = 0.0
        self._waits = 0  # times in a row that a rollback would have ended what works
        self.trouble = self.waiting = ""
        self.doubted: list[str] = []

    def look(self) -> Passed | None:
        """Check now whether the commit may stay live; return the pass that rolled it back, or None."""
        phase = self._edges.journal.phase()
        running = probation_of(phase)
        self.trouble, self.doubted = "", []
        if running is None or isinstance(phase, Suspended):
            self._look, self.at, self._waits, self.waiting = None, math.inf, 0, ""
            return None
        try:
            with internal_errors():
                if self._look is None or not self._look.is_of(running):
                    self._look = Look(running, self._edges)
                self._look.running = running  # its number and its time may have changed
                passed = prove(self._edges, self._look)
                self.doubted = [f"{line.tag}[{line.pid}]: {line.text}" for line in self._look.doubted.values()]
                self._look.doubted.clear()
                over = min(left(running, clock()), self._look.due(time.monotonic()))
                self._waits, self.waiting = 0, ""
        except WouldStop as error:
            self._waits += 1
            self.waiting = f"rolling back {running.revision[:7]} waits: {error.reason}"
            passed, over = None, pause_after(self._waits)
        except (ReconcilerError, OSError) as error:
            self.trouble, over = str(error), WITHOUT_WATCH
            passed = None
        self.at = time.monotonic() + max(over, GATHER)
        return passed

    def look_soon(self) -> None:
        """Look soon, because lines were logged; lines of the same second are read together."""
        if self._look is not None:
            with suppress(ReconcilerError, OSError):
                self._look.witness()  # at once: a process that logs a fatal error ends after a second
        if not self._waits:  # asking the services adds lines itself
            self.at = min(self.at, time.monotonic() + GATHER)

    def watch(self) -> int | None:
        """Return a descriptor that becomes readable when lines are logged; None while there is nothing to watch."""
        if self._look is None or not self._look.watches or self.at <= time.monotonic() + GATHER:
            return None
        number = None
        try:
            number = changes(self._look.log.places)
            if number is not None and self._look.behind:  # logged since the last look, before this descriptor was there
                self.look_soon()
        except (ReconcilerError, OSError):
            self.at = min(self.at, time.monotonic() + WITHOUT_WATCH)
        if number is None:
            self.at = min(self.at, time.monotonic() + WITHOUT_WATCH)
        return number
