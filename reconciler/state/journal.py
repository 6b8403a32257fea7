"""The journal: what was going to be done, what was done, and how it ended; and the phase between passes.

Promises: an intent is on disk before anything moves, a conclusion right after; a torn last line is dropped by the
reader. What start-up recovery needs is the last intent without a conclusion.

Raises OSError from the file system. Known limit: reading back looks at the last mebibytes only, some thousand passes.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.model import Finding, Outcome, Postponed, Severity, Superseded, Where
from reconciler.model.phase import Clock, Halted, Phase, Probation, Refusing, Retrying, Steady, Suspended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.host.effects import Host

_TAIL = 4 << 20
_BLOCK = 64 << 10
_PHASES: dict[str, type[Phase]] = {
    kind.__name__: kind for kind in (Steady, Probation, Retrying, Refusing, Suspended, Halted)
}
_TOLD = ("generation", "until", "revision", "confirm")
_NEEDED = {"outcome", "revision", "at", "seconds", "findings"}
Line = dict[str, Any]


class Journal:
    """private/journal.jsonl, one JSON object a line, and private/phase.json."""

    def __init__(self, private: Path, host: Host) -> None:
        self.path, self._phase_path, self.host = private / "journal.jsonl", private / "phase.json", host

    def intend(self, intent: Line) -> None:
        """Put on record what is about to be done, and how to undo it."""
        self._write({"intent": intent})

    def step(self, name: str) -> None:
        """Put on record that a step of the protocol begins."""
        self._write({"step": name})

    def conclude(self, line: Line) -> None:
        """Put on record how it ended; closes the intent, if one is open."""
        self._write({"conclusion": line})

    def _write(self, line: Line) -> None:
        torn = self.path.exists() and not self._tail(1).endswith(b"\n") and self.path.stat().st_size > 0
        self.host.append(self.path, (b"\n" if torn else b"") + json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def open_intent(self) -> Line | None:
        """The intent that no conclusion followed, with the steps that were begun: somebody was cut short."""
        steps: list[str] = []
        for line in self._backwards():
            if "conclusion" in line:
                return None
            if "intent" in line:
                return {**line["intent"], "steps": steps[::-1]}
            if "step" in line:
                steps.append(line["step"])
        return None

    def conclusions(self) -> Iterator[Line]:
        """How passes ended, newest first."""
        ended = (line["conclusion"] for line in self._backwards() if "conclusion" in line)
        return (line for line in ended if isinstance(line, dict) and line.keys() >= _NEEDED)

    def last(self, revision: str = "") -> Line | None:
        """The newest conclusion, or the newest one for *revision*."""
        return next((line for line in self.conclusions() if not revision or line["revision"] == revision), None)

    def _backwards(self) -> Iterator[Line]:
        """The lines, newest first; read block by block, for most who ask need the last few."""
        if not self.path.exists():
            return
        with self.path.open("rb") as stream:
            start, rest = stream.seek(0, os.SEEK_END), b""
            oldest = max(0, start - _TAIL)
            while start > oldest:
                size = min(_BLOCK, start - oldest)
                start = stream.seek(start - size)
                texts = (stream.read(size) + rest).split(b"\n")
                rest = texts.pop(0) if start > oldest else b""  # its beginning is in the block before
                for text in reversed(texts):
                    with suppress(ValueError):  # the torn last line, or the one that the tail cut in two
                        if isinstance(line := json.loads(text), dict):
                            yield line

    def _tail(self, size: int) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(max(0, self.path.stat().st_size - size))
            return stream.read()

    # ---- the phase ---------------------------------------------------------------------------------------------------

    def phase(self) -> Phase:
        """The phase that was last written; Steady when none was, Halted when it can't be read."""
        try:
            return _phase_from(json.loads(self._phase_path.read_text()))
        except FileNotFoundError:
            return Steady()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return Halted(f"{self._phase_path}: {error}")

    def set_phase(self, phase: Phase) -> None:
        """Write the phase, when it is another."""
        if phase != self.phase():
            self.host.replace(self._phase_path, json.dumps(_stored(phase)).encode())


def _phase_from(data: Line) -> Phase:
    """The phase that was stored so; what is not one raises."""
    kind = _PHASES[data.pop("name")]
    for key, read in _READERS.items():
        if data.get(key) is not None:
            data[key] = read(data[key])
    return kind(**data)


def _probation_from(data: Line) -> Phase:
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


def _stored(phase: Phase) -> Line:
    return {"name": type(phase).__name__, **_plain(asdict(phase))}


def _plain(data: Line) -> Line:
    """Times as text, at any depth."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else _plain(value) if isinstance(value, dict) else value
        for key, value in data.items()
    }


def phase_data(phase: Phase) -> Line:
    """The phase as JSON for people and programs: its name and what it carries; of a probation, what they may ask."""
    data = _stored(phase)
    if isinstance(phase, Probation):
        return {key: data[key] for key in ("name", *_TOLD)}
    running = data.pop("probation", None)
    return data | ({"probation": {key: running[key] for key in _TOLD}} if running else {})


def conclusion(outcome: Outcome, revision: str, seconds: float, **more: object) -> Line:
    """How a pass ended, as ``status --json`` and ``log --json`` show it."""
    line: Line = {
        "outcome": type(outcome).__name__,
        "revision": revision,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(seconds, 3),
        "findings": [finding_data(finding) for finding in getattr(outcome, "findings", ())],
    }
    if isinstance(outcome, Postponed):
        line["reason"] = outcome.reason
    if isinstance(outcome, Superseded):
        line["by"] = outcome.by
    return line | more


def finding_data(finding: Finding) -> Line:
    """A finding as the contract's JSON."""
    return {
        "rule": finding.rule, "file": finding.where.file, "line": finding.where.line, "column": finding.where.column,
        "severity": finding.severity.value, "lasting": finding.lasting, "text": finding.text,
        "subject": finding.subject,
    }  # fmt: skip


def finding_from(data: Line) -> Finding:
    """The finding that finding_data() wrote."""
    where = Where(data["file"], data["line"], data["column"])
    known = {field.name for field in fields(Finding)} & {"rule", "text", "subject", "lasting"}
    return Finding(where=where, severity=Severity(data["severity"]), **{name: data[name] for name in known})
