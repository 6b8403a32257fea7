"""Faults that other programs cause: which of them last, so that they are no restart and no moment of much work.

A fault lasts if nothing worked on its way for SETTLED seconds after it was seen, or if it was seen OFTEN times over
SPAN seconds, whatever worked in between. What worked is a message that a client of the same service handed over, or
for a delivery agent a message that it delivered. Of what Postfix tries again by itself, silence says that it worked.

Pure: the time enters as an argument. Raises nothing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.postfix.log import LogLine

SETTLED = 5.0
OFTEN, SPAN = 5, 30.0
_MOST = 10_000  # messages on their way in that are remembered
_ACCEPTED = re.compile(r"(\w+): client=", re.ASCII)
_QUEUED = re.compile(r"(\w+): from=<.*\(queue active\)\Z", re.ASCII)
_SENT = re.compile(r"\w+: to=<.*, status=sent \(", re.ASCII)
_AGENTS = frozenset({"smtp", "lmtp", "pipe", "local", "virtual", "error", "discard"})


@dataclass(slots=True)
class _Sighting:
    """A fault: when it was seen first, and first since something worked (infinite: something has worked)."""

    line: LogLine
    first: float
    since: float
    latest: float
    count: int = 0


class Sightings:
    """What was seen of each fault since a commit went live."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Sighting] = {}
        self._incoming: dict[str, str] = {}

    def add(self, key: tuple[str, str], line: LogLine, now: float, *, is_retried: bool = False) -> None:
        """Remember that a fault was seen; *key* is the same for the same fault.

        One that *is_retried* is over unless it is seen again.
        """
        seen = self._seen.setdefault(key, _Sighting(line, first=now, since=math.inf, latest=now))
        seen.since = seen.since if is_retried else min(seen.since, now)
        seen.latest, seen.count = now, seen.count + 1

    def worked(self, line: LogLine) -> None:
        """Read a line: if it says that a message went its way, what was seen on that way before is doubtful."""
        if line.program == "smtpd" and (match := _ACCEPTED.match(line.text)):
            if len(self._incoming) >= _MOST:
                self._incoming.clear()
            self._incoming[match[1]] = line.tag
        elif line.program == "qmgr" and (match := _QUEUED.match(line.text)):
            if service := self._incoming.pop(match[1], None):
                self._refute(one for one in self._seen.values() if _is_on_way_in(one.line, service))
        elif line.program in _AGENTS and _SENT.match(line.text):
            self._refute(one for one in self._seen.values() if one.line.tag == line.tag)

    @staticmethod
    def _refute(sightings: Iterable[_Sighting]) -> None:
        for one in sightings:
            one.since = math.inf

    @property
    def pending(self) -> list[LogLine]:
        """The faults after which nothing has worked on their way, and those that last."""
        return [one.line for one in self._seen.values() if _due(one) < math.inf]

    def lasting(self, now: float) -> list[LogLine]:
        """Return the faults that last."""
        return [one.line for one in self._seen.values() if _due(one) <= now]

    def due(self, now: float) -> float:
        """Return the seconds until a fault would last if nothing more is logged; infinite if there is none."""
        return max(0.0, min((_due(one) for one in self._seen.values()), default=math.inf) - now)


def _due(one: _Sighting) -> float:
    """Return the time from which a fault lasts."""
    often = one.count >= OFTEN and one.latest - one.first >= SPAN
    return one.latest if often else one.since + SETTLED


def _is_on_way_in(line: LogLine, service: str) -> bool:
    return line.program not in _AGENTS and (line.program != "smtpd" or line.tag == service)
