"""Read a duration that a person wrote: ``500ms``, ``1.5s``, ``90m``, ``2h``, ``7d``, ``1w``. Pure.

Settings, options of commands and the desired state all read durations here. Postfix's own time values have other rules
and are in postfix/.
"""

from __future__ import annotations

import re
from datetime import timedelta

from reconciler.model.ascii_text import SPACE

_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d|w)", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST = timedelta(days=3660)


def read_duration(text: str) -> timedelta:
    """Return the duration; raise ValueError, with what to write, for any other text and for more than ten years."""
    match = _FORM.fullmatch(text.strip(SPACE))
    if not match:
        raise ValueError('expected a time such as "1.5s", "30m", "2h" or "1d"')
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError("expected at most ten years")
    return timedelta(seconds=seconds)
