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

    def wait(self, done: Callable[[list[str]], bool], patience: float) -> None:
        """Wait until *done* with the lines, or until patience is over."""
        deadline = time.monotonic() + patience
        with self._news:
            while not done(self.lines) and (left := deadline - time.monotonic()) > 0:
                # Nothing wakes us when a file grows.
                self._news.wait(min(left, _POLL) if self._file else left)
                if self._file and (filed := self._filed()):
                    self.lines = [*self.lines, *filed]
                    self._file.write_text("")

    def _filed(self) -> list[str]:
        if self._file is None or not self._file.is_file():
            return []
        with self._file.open("rb") as stream:
            text = stream.read(MOST).decode("utf-8", "replace")
        return [line[:LONGEST] for line in text.split("\n")]
