"""The one slot for what was checked last: a request's thread fills it, and the next pass takes it out.

Promises: safe from any thread; what is replaced is forgotten, with the files that were staged for it. Raises nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from reconciler.passes.check import Memory, forget

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges


class CheckedSlot:
    """The memory that checks and passes hand to one another."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._lock = threading.Lock()
        self._memory: Memory | None = None

    def take(self) -> Memory:
        """Take out what was checked last; an empty memory when nothing was."""
        with self._lock:
            memory, self._memory = self._memory or Memory(), None
        return memory

    def put(self, memory: Memory) -> None:
        """Keep what was just checked, in place of what was there."""
        with self._lock:
            self._forget()
            self._memory = memory

    def put_back(self, memory: Memory) -> None:
        """Keep what a pass leaves, unless something was checked meanwhile, which is newer."""
        with self._lock:
            if self._memory is None:
                self._memory = memory
            else:
                forget(self._edges, memory)

    def clear(self) -> None:
        """Forget what is there."""
        with self._lock:
            self._forget()

    def paths(self) -> list[str]:
        """The paths whose existence was judged last: what was missing may come."""
        with self._lock:
            checked = self._memory.checked if self._memory else None
            return list(checked.judged.understood.facts.files) if checked else []

    def _forget(self) -> None:
        if self._memory:
            forget(self._edges, self._memory)
        self._memory = None
