"""The time at which a line of syslog was logged.

logged_at() reads RFC 3339 and the traditional form, which has neither year nor zone: of the possible times it returns
the one nearest to a given time. Raises nothing: a line without a time has None.
"""

from __future__ import annotations

import re
from datetime import datetime

from reconciler.model.ascii_text import is_digits

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?|[A-Z][a-z]{2} [ \d]\d [\d:]{8})(?: |\Z)", re.ASCII)


def logged_at(line: str, near: float) -> float | None:
    """Return the time of a line that begins with one, in seconds of the system's clock."""
    match = _TIME.match(line)
    if not match:
        return None
    year = datetime.fromtimestamp(near).astimezone().year
    forms = [match[1]] if is_digits(match[1][:4]) else [f"{one} {match[1]}" for one in (year - 1, year, year + 1)]
    possible = [one.replace(fold=fold).timestamp() for text in forms if (one := _read(text)) for fold in (0, 1)]
    return min(possible, key=lambda one: abs(one - near), default=None)


def _read(text: str) -> datetime | None:
    """Return a time, in this host's zone if it names none; a leap day is none in most years."""
    try:
        return datetime.fromisoformat(text) if "T" in text else datetime.strptime(text, "%Y %b %d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
