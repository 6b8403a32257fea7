"""The daemon's memory between two passes: what is free goes back to the system, and what is remembered has a bound.

Promises: rest() drops nothing that the daemon needs, but only what it would find again; the next push takes longer
then. What was used least recently is dropped first. Raises nothing.

Known limits: a pass takes what its commit needs, whatever the bound is. Where /proc is missing, nothing is dropped.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

from reconciler.daemon.malloc import return_free_memory
from reconciler.model.past import forget_oldest, forget_passes

_SOME, _GROWN = 128 << 10, 2 << 20  # bytes: a pass with nothing to do takes less, and a push leaves less behind
_AT_ONCE = 16
_STATM = Path("/proc/self/statm")


class MemoryBound:
    """Keeps the memory that the daemon has between two passes below *most* bytes, as far as that is possible."""

    def __init__(self, most: int) -> None:
        self._most, self._rested, self._collected = most, 0, 0

    def rest(self) -> None:
        """Return free memory after a pass that took more, and drop what is remembered as long as it is too much.

        What was of use in the pass alone is dropped in any case.
        """
        forget_passes()
        held = resident()
        self._collected = min(self._collected, held)  # what a peak left is not what later passes are compared with
        if held <= self._rested + _SOME:
            self._rested = min(self._rested, held)
            return
        return_free_memory()
        if resident() > self._collected + _GROWN:
            gc.collect()
            return_free_memory()
            self._collected = resident()
        while resident() > self._most and sum(forget_oldest() for _ in range(_AT_ONCE)):
            return_free_memory()
        self._rested = resident()

    @property
    def limits(self) -> list[str]:
        """What `reconciler status` shows if nothing is left to drop."""
        if self._rested <= self._most:
            return []
        held, most = self._rested >> 20, self._most >> 20
        return [f"the daemon holds {held} MiB between two passes, and daemon.memory allows {most} MiB"]


def resident() -> int:
    """Return the bytes of this process that are in memory; 0 if that is unknown."""
    try:
        return int(_STATM.read_text("ascii").split(" ")[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
