"""What is told about each commit, line by line, to those who pushed it and wait.

Safe from any thread. Raises nothing. Known limit: only the last TRANSCRIPTS commits are remembered.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.daemon.control import Message

FOLLOW, HEARTBEAT = 115.0, 1.0
TRANSCRIPTS = 64


@dataclass(slots=True)
class Transcript:
    """What is told about one revision, line by line, until its pass has ended."""

    lines: list[str] = field(default_factory=list)
    done: str = ""


class Transcripts:
    """Each commit's transcript, by its oid."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._kept: OrderedDict[str, Transcript] = OrderedDict()

    def forget(self, oid: str) -> None:
        """Begin anew: what was told of an earlier push of the same commit is over."""
        with self._news:
            self._kept.pop(oid, None)

    def begin(self, oid: str, line: str) -> None:
        """Tell a first line of a pass that is to come; nothing more when something was told already."""
        with self._news:
            transcript = self._of(oid)
            if not transcript.done and not transcript.lines:
                transcript.lines.append(line)
            self._news.notify_all()

    def ended(self, oid: str) -> bool:
        """Whether that commit's pass has ended."""
        with self._news:
            return bool(self._of(oid).done)

    def end(self, oid: str, lines: list[str], done: str) -> None:
        """Tell how it ended."""
        with self._news:
            transcript = self._of(oid)
            transcript.lines = lines if transcript.done else [*transcript.lines, *lines]
            transcript.done = done
            self._news.notify_all()

    def follow(self, oid: str) -> Iterator[Message]:
        """Each line as it comes, and how it ended; an empty message now and then asks whether anybody listens."""
        sent, deadline = 0, time.monotonic() + FOLLOW
        with self._news:
            transcript = self._of(oid)
        while True:
            with self._news:
                if len(transcript.lines) == sent and not transcript.done:
                    self._news.wait(HEARTBEAT)
                lines, done = transcript.lines[sent:], transcript.done
            yield {}
            yield from ({"line": line} for line in lines)
            sent += len(lines)
            if not done and time.monotonic() >= deadline:
                yield {"line": "not concluded yet: `reconciler status` on the host says how it fares"}
                done = "pending"
            if done:
                yield {"done": {"status": done}}
                return

    def _of(self, oid: str) -> Transcript:
        transcript = self._kept.setdefault(oid, Transcript())
        self._kept.move_to_end(oid)
        while len(self._kept) > TRANSCRIPTS:
            self._kept.popitem(last=False)
        return transcript
