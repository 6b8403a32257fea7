"""Keep the journal: the intent, the steps and the conclusion of each pass, and the phase between passes.

Promises: an intent is on disk before anything changes, and a conclusion right after; the reader drops a torn last line.
Recovery at start-up needs the last intent without a conclusion.

Raises OSError from the file system. Known limit: only the last mebibytes are read back, some thousand passes.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.model.phase import Clock, Halted, Phase, Probation, Refusing, Retrying, Steady, Suspended
from reconciler.state.records import companion_step, conclusion_from, conclusion_line, intent_from, intent_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.state.records import Conclusion, Intent, Step

_TAIL = 4 << 20
_BLOCK = 64 << 10
_PHASES: dict[str, type[Phase]] = {
    kind.__name__: kind for kind in (Steady, Probation, Retrying, Refusing, Suspended, Halted)
}
_Line = dict[str, Any]


class Journal:
    """private/journal.jsonl, one JSON object a line, and private/phase.json."""

    def __init__(self, private: Path, host: Host) -> None:
        self.path, self._phase_path, self.host = private / "journal.jsonl", private / "phase.json", host

    def intend(self, intent: Intent) -> None:
        """Record what is about to be done, and how to undo it."""
        self._write({"intent": intent_line(intent)})

    def step(self, step: Step) -> None:
        """Record that a step of the protocol begins."""
        self._write({"step": step.value})

    def touch(self, companion: str) -> None:
        """Record that a companion is about to be started or stopped."""
        self._write({"step": companion_step(companion)})

    def conclude(self, conclusion: Conclusion) -> None:
        """Record how a pass ended; this closes an open intent."""
        self._write({"conclusion": conclusion_line(conclusion)})

    def _write(self, line: _Line) -> None:
        torn = self.path.exists() and not self._tail(1).endswith(b"\n") and self.path.stat().st_size > 0
        self.host.append(self.path, (b"\n" if torn else b"") + json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def open_intent(self) -> Intent | None:
        """Return the intent without a conclusion, with its steps; there is one only after an interrupted pass."""
        steps: list[str] = []
        for line in self._backwards():
            if "conclusion" in line:
                return None
            if "intent" in line:
                return intent_from(line["intent"], steps)
            if "step" in line:
                steps.append(str(line["step"]))
        return None

    def conclusions(self, revision: str = "") -> Iterator[Conclusion]:
        """Yield the conclusions of passes, newest first; only those for *revision*, if it is given."""
        for line in self._backwards():
            ended = line.get("conclusion")
            if not isinstance(ended, dict) or (revision and ended.get("revision") != revision):
                continue
            if conclusion := _conclusion_from(ended):
                yield conclusion

    def last(self, revision: str = "") -> Conclusion | None:
        """Return the newest conclusion, or the newest one for *revision*."""
        return next(self.conclusions(revision), None)

    def _backwards(self) -> Iterator[_Line]:
        """Yield the lines, newest first; they are read block by block, because most callers need only the last few."""
        if not self.path.exists():
            return
        with self.path.open("rb") as stream:
            start, rest = stream.seek(0, os.SEEK_END), b""
            oldest = max(0, start - _TAIL)
            while start > oldest:
                size = min(_BLOCK, start - oldest)
                start = stream.seek(start - size)
                texts = (stream.read(size) + rest).split(b"\n")
                rest = texts.pop(0) if start > oldest else b""  # its beginning is in the preceding block
                for text in reversed(texts):
                    with suppress(ValueError):  # the torn last line, or the line that the read limit cuts in two
                        if isinstance(line := json.loads(text), dict):
                            yield line

    def _tail(self, size: int) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(max(0, self.path.stat().st_size - size))
            return stream.read()

    # ---- the phase ---------------------------------------------------------------------------------------------------

    def phase(self) -> Phase:
        """Return the phase that was last written; Steady if there is none, Halted if it can't be read."""
        try:
            return _phase_from(json.loads(self._phase_path.read_text()))
        except FileNotFoundError:
            return Steady()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return Halted(f"{self._phase_path}: {error}")

    def set_phase(self, phase: Phase) -> None:
        """Write the phase if it changed."""
        if phase != self.phase():
            self.host.replace(self._phase_path, json.dumps(phase_line(phase)).encode())


def _conclusion_from(line: _Line) -> Conclusion | None:
    """Read a conclusion; return None for a damaged line."""
    try:
        return conclusion_from(line)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _phase_from(data: _Line) -> Phase:
    """Read a stored phase; raise for any other value."""
    kind = _PHASES[data.pop("name")]
    for key, read in _READERS.items():
        if data.get(key) is not None:
            data[key] = read(data[key])
    return kind(**data)


def _probation_from(data: _Line) -> Phase:
    return _phase_from({"name": Probation.__name__, **data})


_READERS: dict[str, Callable[[Any], object]] = {
    "until": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "attempts": int,
    "lasts": float,
    "since": lambda pair: Clock(str(pair[0]), float(pair[1])),
    "mark": lambda mark: (int(mark[0]), int(mark[1]), str(mark[2])),
    "probation": _probation_from,
    "earlier": _probation_from,
}


def phase_line(phase: Phase) -> _Line:
    """Return a phase in its form on disk."""
    return {"name": type(phase).__name__, **_plain(asdict(phase))}


def _plain(data: _Line) -> _Line:
    """Return the value with times as text, at any depth."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else _plain(value) if isinstance(value, dict) else value
        for key, value in data.items()
    }
