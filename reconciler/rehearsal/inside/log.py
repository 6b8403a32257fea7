"""What Postfix logs in a rehearsal: a datagram socket at /dev/log, and the file that maillog_file names.

Promises: no more than MOST of either is kept.

Raises OSError when the socket cannot be made.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.rehearsal.inside.deliveries import Course

GRACE = 1.5
MOST = 8 << 20
LONGEST = 4096  # characters of a line that are kept
_POLL = 0.05


class RehearsalLog:
    """All lines so far; *hurry* is called soon after the master has given up a service, which then answers no more."""

    def __init__(self, maillog_file: str) -> None:
        self.lines: list[str] = []
        self.hurry: Callable[[], None] = lambda: None
        self._size = 0
        self._news = threading.Condition()
        self._file = Path(maillog_file) if maillog_file and not maillog_file.startswith("/dev/") else None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("/dev/log")
        Path("/dev/log").chmod(0o666)
        threading.Thread(target=self._read, name="log", daemon=True).start()

    def _read(self) -> None:
        while True:
            text = self._socket.recv(65536).decode("utf-8", "replace").rstrip("\0\n")
            self._size += len(text)
            if self._size > MOST:
                continue  # what is not read any more is lost; nothing waits for it
            with self._news:
                self.lines.append(re.sub(r"\A<\d+>(?:\w{3} [ \d]\d [\d:]{8} )?", "", text[:LONGEST], flags=re.ASCII))
                self._news.notify_all()
            if "-- throttling" in text:
                threading.Timer(GRACE, self.hurry).start()

    def all(self) -> list[str]:
        """Return everything so far."""
        with self._news:
            lines = list(self.lines)
        return [*lines, *self._filed()]

    def wait(self, course: Course, done: Callable[[], bool], patience: float, longest: float) -> None:
        """Have *course* read the lines until it is *done*.

        End without it when no message has met its end for as long as *patience*, and after *longest* in any case.
        """
        began = deadline = time.monotonic()
        ends = -1
        while True:
            course.read(self._next(course.lines, deadline - time.monotonic()))
            if len(course.deliveries) > ends:
                deadline, ends = min(time.monotonic() + patience, began + longest), len(course.deliveries)
            if done() or time.monotonic() >= deadline:
                return

    def _next(self, known: int, seconds: float) -> list[str]:
        """Return the lines after those that are *known*; wait for one if there is none."""
        with self._news:
            if len(self.lines) <= known and seconds > 0:
                # Nothing wakes us when a file grows.
                self._news.wait(min(seconds, _POLL) if self._file else seconds)
            if self._file and (filed := self._filed()):
                self.lines += filed
                self._file.write_text("")
            return self.lines[known:]

    def _filed(self) -> list[str]:
        if self._file is None or not self._file.is_file():
            return []
        with self._file.open("rb") as stream:
            text = stream.read(MOST).decode("utf-8", "replace")
        return [line[:LONGEST] for line in text.split("\n")]
