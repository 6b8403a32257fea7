"""Times for people: local, to the minute, with the date only where it is another day. Pure; raises ValueError."""

from __future__ import annotations

from datetime import datetime


def local(time: str, now: datetime) -> str:
    """Return an ISO 8601 time as people of this host's zone write it: ``20:49``, or ``2026-11-22 20:49``."""
    at, today = datetime.fromisoformat(time).astimezone(), now.astimezone()
    return f"{at:%H:%M}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``3 s``, ``2 min 5 s``, ``4 h 10 min``, ``3 d 2 h``."""
    rest, parts = int(seconds), list[str]()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, rest = divmod(rest, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
