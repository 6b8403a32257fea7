"""Programs of reconciler in throw-away hosts, forked from a process that has imported it (inside/preloaded.py).

Promises: a Program is used like a subprocess.Popen. Each process of the tests has one such server, which ends with it.
Known limit: what an import depends on is not tried this way; installed hosts, scripts in a host, and the figures of
time and memory start the command itself.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVER = Path(__file__).parent / "inside/preloaded.py"


class Program:
    """A program in a host; *pid* is its process as seen from outside."""

    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self.pid = int(json.loads(answers.recv(4096))["pid"])
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, or minus the signal; None while it runs."""
        with suppress(BlockingIOError, TimeoutError):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the status; raises TimeoutError after *timeout* seconds."""
        if self.returncode is None:
            self._answers.settimeout(timeout)
            answer = self._answers.recv(4096)  # nothing is sent by a server that was killed
            self.returncode = os.waitstatus_to_exitcode(json.loads(answer)["status"]) if answer else -signal.SIGKILL
            self._answers.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The process that has imported reconciler; it is started when it is first needed, and ends with the tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def start(self, request: Mapping[str, object], descriptors: Sequence[int]) -> Program:
        """Start what is asked for, and return it."""
        answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._lock:
            self._control = self._control or _started()
            socket.send_fds(self._control, [json.dumps(request).encode()], [*descriptors, theirs.fileno()])
        return Program(answers)


def _started() -> socket.socket:
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {"LANG": "C.UTF-8", "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    with theirs:
        argv = [sys.executable, "-P", str(SERVER)]
        process = subprocess.Popen(argv, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment)

    def end() -> None:
        control.close()
        process.wait()

    atexit.register(end)
    return control


SERVERS = _Server()
