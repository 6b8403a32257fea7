"""The progress of each commit, line by line, for the pushers who wait for it.

Safe from any thread. Raises nothing. Known limit: only the last MOST_COMMITS commits are remembered.
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
MOST_COMMITS = 64


@dataclass(slots=True)
class PassProgress:
    """The lines about one commit, and the outcome of its pass, *done*, when the pass has ended."""

    lines: list[str] = field(default_factory=list)
    done: str = ""


class ProgressBoard:
    """Each commit's progress, by its oid."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._kept: OrderedDict[str, PassProgress] = OrderedDict()

    def forget(self, oid: str) -> None:
        """Drop the lines of an earlier push of the same commit."""
        with self._news:
            self._kept.pop(oid, None)

    def begin(self, oid: str, line: str) -> None:
        """Show the first line of a future pass, unless there are lines already."""
        with self._news:
            progress = self._of(oid)
            if not progress.done and not progress.lines:
                progress.lines.append(line)
            self._news.notify_all()

    def ended(self, oid: str) -> bool:
        """Return whether the commit's pass has ended."""
        with self._news:
            return bool(self._of(oid).done)

    def end(self, oid: str, lines: list[str], done: str) -> None:
        """Show the outcome of the commit's pass."""
        with self._news:
            progress = self._of(oid)
            progress.lines = lines if progress.done else [*progress.lines, *lines]
            progress.done = done
            self._news.notify_all()

    def follow(self, oid: str) -> Iterator[Message]:
        """Yield each line, then the outcome; also yield empty messages, which test whether the client is connected."""
        sent, deadline = 0, time.monotonic() + FOLLOW
        with self._news:
            progress = self._of(oid)
        while True:
            with self._news:
                if len(progress.lines) == sent and not progress.done:
                    self._news.wait(HEARTBEAT)
                lines, done = progress.lines[sent:], progress.done
            yield {}
            yield from ({"line": line} for line in lines)
            sent += len(lines)
            if not done and time.monotonic() >= deadline:
                yield {"line": "the pass has not ended yet; to see its result, run `reconciler status` on the host"}
                done = "pending"
            if done:
                yield {"done": {"status": done}}
                return

    def _of(self, oid: str) -> PassProgress:
        progress = self._kept.setdefault(oid, PassProgress())
        self._kept.move_to_end(oid)
        while len(self._kept) > MOST_COMMITS:
            self._kept.popitem(last=False)
        return progress
