"""The slot for the result of the last check: the thread of a request fills it, and the next pass takes it out.

Promises: safe from any thread; a replaced result is discarded together with its staged files. Raises nothing.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from reconciler.host.reachable import ask
from reconciler.model.errors import ReconcilerError
from reconciler.passes.check import Memory, forget
from reconciler.passes.faults_now import told_now, told_of_pass
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.understand import composed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.edges import Edges
    from reconciler.model import Finding
    from reconciler.passes.check import Checked
    from reconciler.passes.understand import Understood


class CheckedSlot:
    """The memory that checks and passes share."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._lock = threading.Lock()
        self._memory: Memory | None = None

    def take(self) -> Memory:
        """Take out the result of the last check, or an empty memory."""
        with self._lock:
            memory, self._memory = self._memory or Memory(), None
        return memory

    def put(self, memory: Memory) -> None:
        """Keep the result of a check, and discard the earlier one."""
        with self._lock:
            self._forget()
            self._memory = memory

    def put_back(self, memory: Memory) -> None:
        """Keep the memory of a pass at rest, unless a check meanwhile left a newer result."""
        memory.rest()
        with self._lock:
            if self._memory is None:
                self._memory = memory
            else:
                forget(self._edges, memory)

    def clear(self) -> None:
        """Discard the result."""
        with self._lock:
            self._forget()

    def paths(self) -> list[str]:
        """Return the paths whose existence the last check tested; a missing one may appear later."""
        with self._lock:
            checked = self._memory.checked if self._memory else None
            return list(checked.judged.understood.facts.files) if checked else []

    def unanswered(self) -> list[str]:
        """Return why servers of what is live do not answer now that answered when it was checked."""
        checked = self._of_live()
        if checked is None:
            return []
        answered = [server for server, why in checked.judged.understood.facts.answers.items() if why == ""]
        return [f"no server answers at {server} ({why})" for server, why in ask(answered).items() if why]

    def still(self, faults: Sequence[Finding]) -> list[str]:
        """Return what to say of the faults that the last pass found, without those that are over."""
        checked = self._of_live() if faults else None
        if checked is not None:
            with suppress(ReconcilerError, OSError), internal_errors():
                return told_now(faults, partial(_whole, checked, self._edges), self._edges)
        return [told_of_pass(one) for one in faults]

    def _of_live(self) -> Checked | None:
        """Return the last check, if it is of what is live."""
        with self._lock:
            checked = self._memory.checked if self._memory else None
        live = self._edges.generations.live()
        return checked if checked and live and checked.judged.revision.oid == live.revision else None

    def _forget(self) -> None:
        if self._memory:
            forget(self._edges, self._memory)
        self._memory = None


def _whole(checked: Checked, edges: Edges) -> Understood:
    """Return what was understood of a commit; what it says is read again if the check is at rest."""
    judged = checked.judged
    if not checked.resting:
        return judged.understood
    return composed(judged.revision, edges, judged.apart.kept)._replace(facts=judged.understood.facts)
