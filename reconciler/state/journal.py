"""Keep the journal: the intent, steps and conclusion of each pass, refused checks, and the phase between passes.

Promises: an intent is on disk before anything changes, and a conclusion right after; the reader drops a torn last line.
Recovery at start-up needs the last intent without a conclusion. Each phase is in the journal before it is in
phase.json, so one that is missing or damaged is recovered from there: a quarantine and a suspension survive it. Lines
that can't be read are skipped, and limits() reports them. Refused checks have a file of their own, of a bounded size: a
member of the group can ask for any number, and must not push the passes out of what is read back.

Raises OSError from the file system. Known limits: only the last mebibytes are read back, some thousand passes. A
journal of an earlier version holds no phases; the phase then follows from its last conclusion, without a probation.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.model.phase import Phase, Steady, Suspended, next_phase
from reconciler.state.phases import DAMAGED, phase_from, phase_line
from reconciler.state.records import (
    companion_step,
    conclusion_from,
    conclusion_line,
    intent_from,
    intent_line,
    refused_from,
    refused_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.state.records import Conclusion, ConclusionLine, Intent, RefusedCheck, Step

T = TypeVar("T")
_TAIL = 4 << 20
MOST_REFUSED = 1 << 20
_BLOCK = 64 << 10
_SUSPENDING = ("rollback of ", "rescue")
_Line = dict[str, Any]


class Journal:
    """private/journal.jsonl and private/refused.jsonl, one JSON object a line, and private/phase.json."""

    def __init__(self, private: Path, host: Host) -> None:
        self.path, self._phase_path, self.host = private / "journal.jsonl", private / "phase.json", host
        self.refused_path = private / "refused.jsonl"

    def intend(self, intent: Intent) -> None:
        """Record what is about to be done, and how to undo it."""
        self._write(self.path, {"intent": intent_line(intent)})

    def step(self, step: Step) -> None:
        """Record that a step of the protocol begins."""
        self._write(self.path, {"step": step.value})

    def touch(self, companion: str) -> None:
        """Record that a companion is about to be started or stopped."""
        self._write(self.path, {"step": companion_step(companion)})

    def conclude(self, conclusion: Conclusion) -> None:
        """Record how a pass ended; this closes an open intent."""
        self._write(self.path, {"conclusion": conclusion_line(conclusion)})

    def refuse(self, check: RefusedCheck) -> None:
        """Record a refused check; of too many, the older half is forgotten."""
        path = self.refused_path
        if path.exists() and path.stat().st_size > MOST_REFUSED:
            self.host.replace(path, _tail(path, MOST_REFUSED // 2).partition(b"\n")[2])
        self._write(path, {"refused": refused_line(check)})

    def _write(self, path: Path, line: _Line) -> None:
        torn = path.exists() and not _tail(path, 1).endswith(b"\n") and path.stat().st_size > 0
        self.host.append(path, (b"\n" if torn else b"") + json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def open_intent(self) -> Intent | None:
        """Return the intent without a conclusion, with its steps; there is one only after an interrupted pass."""
        steps: list[str] = []
        for line in _backwards(self.path):
            if isinstance(line.get("conclusion"), dict):  # also one of another version
                return None
            if "intent" in line:
                return _read(lambda written: intent_from(written, steps), line["intent"])
            if "step" in line:
                steps.append(str(line["step"]))
        return None

    def conclusions(self, revision: str = "") -> Iterator[Conclusion]:
        """Yield the conclusions of passes, newest first; only those for *revision*, if it is given."""
        for line in _backwards(self.path):
            ended = line.get("conclusion")
            if not isinstance(ended, dict) or (revision and ended.get("revision") != revision):
                continue
            if conclusion := _read(conclusion_from, ended):
                yield conclusion

    def end(self) -> int:
        """Return the length of the journal in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def concluded_after(self, position: int) -> Iterator[tuple[int, ConclusionLine]]:
        """Yield the conclusions after a position, oldest first, each with the position of its end; no torn line."""
        if self.end() <= position:
            return
        with self.path.open("rb") as stream:
            stream.seek(position)
            for text in stream:
                position += len(text)
                with suppress(*DAMAGED):
                    line = json.loads(text) if text.endswith(b"\n") else {}
                    if conclusion := _read(conclusion_from, line.get("conclusion")):
                        yield position, conclusion_line(conclusion)

    def refused(self, revision: str = "") -> Iterator[RefusedCheck]:
        """Yield the refused checks, newest first; only those of *revision*, if it is given."""
        for line in _backwards(self.refused_path):
            check = _read(refused_from, line.get("refused"))
            if check and revision in {"", check.revision}:
                yield check

    def last(self, revision: str = "") -> Conclusion | None:
        """Return the newest conclusion, or the newest one for *revision*."""
        return next(self.conclusions(revision), None)

    def limits(self) -> list[str]:
        """Return what can't be read: phase.json, and lines at the end of the journal."""
        stored = self._phase_path.exists() and self._stored() is None
        odd = sum(map(_is_odd, self._newest()))
        return [
            *([f"{self._phase_path} can't be read; the phase is taken from the journal"] if stored else []),
            *([f"{self.path}: {odd} of the last lines can't be read and are ignored"] if odd else []),
        ]

    def _newest(self) -> list[bytes]:
        """Return the whole lines of the last block; the very last line may be torn."""
        if not self.path.exists():
            return []
        *lines, _ = _tail(self.path, _BLOCK).split(b"\n")
        return lines[1:] if self.path.stat().st_size > _BLOCK else lines

    # ---- the phase ---------------------------------------------------------------------------------------------------

    def phase(self) -> Phase:
        """Return the phase that was last written; if phase.json has none, the journal's last; Steady without any."""
        return self._stored() or self._recorded()

    def phase_since(self) -> datetime | None:
        """Return when the phase was last changed; None if no phase was ever written."""
        try:
            return datetime.fromtimestamp(self._phase_path.stat().st_mtime, UTC).replace(microsecond=0)
        except FileNotFoundError:
            return None

    def set_phase(self, phase: Phase) -> None:
        """Write the phase if it changed, or if phase.json can't be read.

        On a disk without inodes, the old phase.json is removed, so that the phase is taken from the journal.
        """
        stored = self._stored()
        if phase == stored:
            return
        if stored is not None or phase != self._newest_phase():
            self._write(self.path, {"phase": phase_line(phase)})
        with suppress(OSError):
            self.host.replace(self._phase_path, json.dumps(phase_line(phase)).encode())
            return
        self.host.remove(self._phase_path)

    def _stored(self) -> Phase | None:
        try:
            return phase_from(json.loads(self._phase_path.read_bytes()))
        except (OSError, *DAMAGED):
            return None

    def _recorded(self) -> Phase:
        """Return the phase by the journal: the last one in it, else the one that its last conclusion led to."""
        if phase := self._newest_phase():
            return phase
        ended = self.last()
        return _after(ended) if ended else Steady()

    def _newest_phase(self) -> Phase | None:
        phases = (_read(phase_from, line.get("phase")) for line in _backwards(self.path))
        return next((phase for phase in phases if phase), None)


def _backwards(path: Path) -> Iterator[_Line]:
    """Yield the lines, newest first; they are read block by block, because most callers need only the last few."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        start, rest = stream.seek(0, os.SEEK_END), b""
        oldest = max(0, start - _TAIL)
        while start > oldest:
            size = min(_BLOCK, start - oldest)
            start = stream.seek(start - size)
            texts = (stream.read(size) + rest).split(b"\n")
            rest = texts.pop(0) if start > oldest else b""  # its beginning is in the preceding block
            for text in reversed(texts):
                with suppress(*DAMAGED):  # the torn last line, or the line that the read limit cuts in two
                    if isinstance(line := json.loads(text), dict):
                        yield line


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - size))
        return stream.read()


def _read(reader: Callable[[Any], T], value: object) -> T | None:
    """Return the value that *reader* makes of a part of a line; None for a missing or damaged one."""
    try:
        return None if value is None else reader(value)
    except DAMAGED:
        return None


def _is_odd(text: bytes) -> bool:
    """Return whether a line is none that the journal writes."""
    try:
        line = json.loads(text)
        readers = [(_READERS[key], value) for key, value in line.items() if key in _READERS]
        return not readers or any(_read(reader, value) is None for reader, value in readers)
    except DAMAGED:
        return True


_READERS: dict[str, Callable[[Any], object]] = {
    "intent": lambda line: intent_from(line, ()), "step": str, "phase": phase_from, "conclusion": conclusion_from,
}  # fmt: skip


def _after(ended: Conclusion) -> Phase:
    """Return the phase after a pass, as far as its conclusion tells; a rollback and a rescue suspend."""
    if not ended.revision and ended.why.startswith(_SUSPENDING):
        return Suspended(ended.why, "an operator")
    return next_phase(Steady(), ended.outcome, ended.revision)
