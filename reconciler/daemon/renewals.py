"""Renewed certificates between two passes: the files to watch, and when Postfix must read them again.

Raises nothing: a file that can't be read, another pass that has the lock, and a reload that would end what works now
are tried again at the next wake, and after growing pauses. *trouble* and *waiting* contain the reason.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reconciler.daemon.news import News
from reconciler.host.log import Event
from reconciler.model.errors import ReconcilerError, WouldStop
from reconciler.model.phase import Wake, pause_after
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.named_files import Named, named
from reconciler.passes.renewal import remember, renew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.edges import Edges
    from reconciler.host.log import Log
    from reconciler.passes.record import Passed

_LOOKING = {Wake.START, Wake.TIMER, Wake.SIGNAL, Wake.CERTIFICATE}


class Renewals:
    """The certificates that the live configuration names."""

    def __init__(self, edges: Edges, log: Log) -> None:
        self._edges, self._log = edges, log
        self._named: Named | None = None
        self._waits = 0  # times in a row that a renewal could not be followed
        self.trouble = self.waiting = ""
        self._news = News()

    @property
    def due(self) -> float:
        """Return the seconds until a renewal that waits is tried again; infinite if none waits."""
        return pause_after(self._waits) if self._waits else math.inf

    @property
    def files(self) -> frozenset[str]:
        """The certificate files; a change of one is a renewal."""
        return self._named.files if self._named else frozenset()

    def look(self, reasons: Sequence[Wake], *, activated: bool) -> Passed | None:
        """Have Postfix read renewed certificates, unless it has just read all of them; return the pass that did."""
        if not self._edges.generations.adopted:
            return None
        self.trouble = ""
        try:
            with internal_errors():
                if self._named is None or activated:
                    self._named = named(self._edges)
                if activated:
                    remember(self._edges, self._named)
                elif not _LOOKING & set(reasons):
                    return None
                passed = None if activated else renew(self._edges, self._named)
                self._waits, self.waiting = 0, ""
                self._news.begun("look", [])
                return passed
        except WouldStop as error:
            self._waits += 1
            self.waiting = f"renewed certificates: {error.reason}"
        except (ReconcilerError, OSError) as error:
            self._waits += 1
            self.trouble = f"renewed certificates: {error}"
            for why in self._news.begun("look", [str(error)]):
                self._log.warning(Event.LOOK_FAILED, why=why)
        return None
