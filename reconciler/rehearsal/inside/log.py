"""What Postfix logs in a rehearsal: a datagram socket at /dev/log, and the file that maillog_file names.

Promises: no more than MOST of either is kept. all() returns each line that Postfix logged before the call.

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
_DEVICE = "/dev/log"
_MARK = "rehearsal: all lines before this one are read"
_MARK_PATIENCE = 5.0


class RehearsalLog:
    """All lines so far; *hurry* is called soon after the master has given up a service, which then answers no more."""

    def __init__(self, maillog_file: str, queue_directory: str) -> None:
        self.lines: list[str] = []
        self._marks, self._postlogd = 0, f"{queue_directory}/public/postlog"
        self.hurry: Callable[[], None] = lambda: None
        self._size = 0
        self._news = threading.Condition()
        self._file = Path(maillog_file) if maillog_file and not maillog_file.startswith("/dev/") else None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(_DEVICE)
        Path(_DEVICE).chmod(0o666)
        threading.Thread(target=self._read, name="log", daemon=True).start()

    def _read(self) -> None:
        while True:
            text = self._socket.recv(65536).decode("utf-8", "replace").rstrip("\0\n")
            if text == _MARK:
                with self._news:
                    self._marks += 1
                    self._news.notify_all()
                continue
            self._size += len(text)
            if self._size > MOST:
                continue  # what is not read any more is lost; nothing waits for it
            with self._news:
                self.lines.append(re.sub(r"\A<\d+>(?:\w{3} [ \d]\d [\d:]{8} )?", "", text[:LONGEST], flags=re.ASCII))
                self._news.notify_all()
            if "-- throttling" in text:
                threading.Timer(GRACE, self.hurry).start()

    def all(self) -> list[str]:
        """Return everything so far: a reader that comes late on a busy host is waited for."""
        known = self._marks
        waits = _send(_MARK, _DEVICE)  # without the lock: the reader may have to read before this line has a place
        with self._news:
            self._news.wait_for(lambda: not waits or self._marks > known, _MARK_PATIENCE)
            lines = list(self.lines)
        return [*lines, *self._all_filed()]

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

    def _all_filed(self) -> list[str]:
        """Return the lines of the file once postlogd(8), which takes them in their order, has written all of them."""
        filed, waits = self._filed(), self._file is not None and _send(_MARK, self._postlogd)
        deadline = time.monotonic() + _MARK_PATIENCE
        while waits and not any(line.endswith(_MARK) for line in filed) and time.monotonic() < deadline:
            time.sleep(_POLL)
            filed = self._filed()
        return [line for line in filed if not line.endswith(_MARK)]

    def _filed(self) -> list[str]:
        if self._file is None or not self._file.is_file():
            return []
        with self._file.open("rb") as stream:
            text = stream.read(MOST).decode("utf-8", "replace")
        return [line[:LONGEST] for line in text.split("\n")]


def _send(text: str, path: str) -> bool:
    """Send a datagram; return False if nothing takes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.settimeout(_MARK_PATIENCE)
        try:
            sending.sendto(text.encode("ascii"), path)
        except OSError:  # there is no postlogd, or it has died
            return False
    return True
