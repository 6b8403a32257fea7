"""Convert a phase to and from its form on disk.

Promises: a phase that an earlier version wrote can be read, and is written again with the same keys. Reading raises one
of DAMAGED for everything else, also for values of a wrong type, so that no later step meets one.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.model.phase import Clock, Halted, Phase, Probation, Refusing, Retrying, Steady, Suspended

if TYPE_CHECKING:
    from collections.abc import Callable

DAMAGED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading a damaged record raises."""
_PHASES: dict[str, type[Phase]] = {
    kind.__name__: kind for kind in (Steady, Probation, Retrying, Refusing, Suspended, Halted)
}


def phase_line(phase: Phase) -> dict[str, Any]:
    """Return a phase in its form on disk."""
    return {"name": type(phase).__name__, **_plain(asdict(phase))}


def phase_from(data: Any) -> Phase:  # noqa: ANN401 - whatever is on disk
    """Read a phase."""
    kind = _PHASES[data["name"]]
    fields: dict[str, Any] = {key: _READERS[key](value) for key, value in data.items() if key != "name"}
    phase = kind(**fields)
    if isinstance(phase, Probation) and not isinstance(phase.until, datetime):
        raise TypeError("a probation has an end")
    return phase


def _probation(data: Any) -> Phase | None:  # noqa: ANN401 - as above
    return None if data is None else phase_from({**data, "name": Probation.__name__})


def text(value: object) -> str:
    """Return a value that is a text; raise TypeError for any other."""
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def _whole(value: object, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise TypeError(f"expected a whole number from {least} on")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise TypeError("expected a number")
    return float(value)


_READERS: dict[str, Callable[[Any], object]] = {
    "revision": text, "reason": text, "why": text, "who": text, "tip": text, "quarantined": text,
    "generation": _whole, "attempts": lambda value: _whole(value, 1), "lasts": _number,
    "watched": _flag, "confirm": _flag,
    "until": lambda at: None if at is None else datetime.fromisoformat(at).astimezone(UTC),
    "since": lambda pair: Clock(text(pair[0]), _number(pair[1])),
    "mark": lambda mark: (_whole(mark[0]), _whole(mark[1]), text(mark[2])),
    "probation": _probation, "earlier": _probation,
}  # fmt: skip


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Return the value with times as text, at any depth."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else _plain(value) if isinstance(value, dict) else value
        for key, value in data.items()
    }
