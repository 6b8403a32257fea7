"""Renewed certificates between two passes: which files count, and when Postfix is to take them over.

Raises nothing: what can't be read is logged, and looked at again with the next reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.host.log import Event
from reconciler.model.errors import ReconcilerError
from reconciler.model.phase import Wake
from reconciler.passes.renewal import Named, named, remember, renew

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

    @property
    def files(self) -> frozenset[str]:
        """The files whose change is a renewal."""
        return self._named.files if self._named else frozenset()

    def look(self, reasons: Sequence[Wake], *, activated: bool) -> Passed | None:
        """Have Postfix take over what was renewed, unless it has just read all there is; the record of it."""
        if not self._edges.generations.adopted:
            return None
        try:
            if self._named is None or activated:
                self._named = named(self._edges)
            if activated:
                remember(self._edges, self._named.files)
            elif _LOOKING & set(reasons):
                return renew(self._edges, self._named)
        except (ReconcilerError, OSError) as error:
            self._log.warning(Event.LOOK_FAILED, why=str(error))
        return None
