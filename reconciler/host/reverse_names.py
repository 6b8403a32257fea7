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


class ReverseNames:
    """The names by their addresses, each with the time when it was asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._known: dict[str, tuple[Names, float]] = {}

    def known(self, wanted: Iterable[str]) -> dict[str, Names]:
        """Return the names of these addresses, as far as they still count."""
        since, known = self._clock() - LASTING, self._known
        return {one: known[one][0] for one in wanted if one in known and known[one][1] > since}

    def learn(self, found: Mapping[str, Names | None]) -> None:
        """Keep the names that were found for the addresses of a commit."""
        with self._lock:
            before, now = self._known, self._clock()
            self._known = {
                address: known if (known := before.get(address)) and _counts(known, names, now) else (names, now)
                for address, names in found.items()
                if names
            }


def _counts(known: tuple[Names, float], names: Names, now: float) -> bool:
    """Return whether the same names were found not too long ago."""
    return known[0] == names and known[1] > now - LASTING
