"""Keep reverse names for a while, so that a push asks for those of new addresses alone.

A host of many sites has thousands of addresses, and each check and each pass would ask for all of their names. Only
names that are right are used again: what is wrong, or was not answered, is asked for each time (understand.py).
Promises: names count for LASTING since they were asked for, however often they are used. Memory is bounded by the
addresses of one commit. Safe from any thread. Raises nothing.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Names = tuple[str, ...]
LASTING = 600.0
"""Seconds for which names count."""
_UNKNOWN: tuple[Names, float] = (), float("-inf")


class ReverseNames:
    """The names by their addresses, each with the time when it was asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._known: dict[str, tuple[Names, float]] = {}

    def right(self, wanted: Iterable[tuple[str, str]]) -> dict[str, Names]:
        """Return the names that still count of those addresses, given with a name, whose names are all as wanted."""
        since, known, right, wrong = self._clock() - LASTING, self._known, dict[str, Names](), set[str]()
        for address, name in wanted:
            names, asked = known.get(address, _UNKNOWN)
            if asked > since and name in names:
                right[address] = names
            else:
                wrong.add(address)
        for address in wrong:
            right.pop(address, None)
        return right

    def learn(self, found: Mapping[str, Names | None]) -> None:
        """Keep the names that were found for the addresses of a commit."""
        with self._lock:
            before, now = self._known, self._clock()
            since, kept = now - LASTING, dict[str, tuple[Names, float]]()
            for address, names in found.items():
                if names:
                    known = before.get(address, _UNKNOWN)
                    kept[address] = known if known[1] > since and known[0] == names else (names, now)
            self._known = kept
