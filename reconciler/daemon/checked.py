"""The slot for the result of the last check: the thread of a request fills it, and the next pass takes it out.

Promises: safe from any thread; a replaced result is discarded together with its staged files. Raises nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from reconciler.host.reachable import ask
from reconciler.passes.check import Memory, forget

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges


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
        """Keep the memory of a pass, unless a check meanwhile left a newer result."""
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
        with self._lock:
            checked = self._memory.checked if self._memory else None
        live = self._edges.generations.live()
        if checked is None or live is None or checked.judged.revision.oid != live.revision:
            return []
        answered = [server for server, why in checked.judged.understood.facts.answers.items() if why == ""]
        return [f"no server answers at {server} ({why})" for server, why in ask(answered).items() if why]

    def _forget(self) -> None:
        if self._memory:
            forget(self._edges, self._memory)
        self._memory = None
