"""Talk with a program through its pipes, within limits of time and size.

Promises: exchange() ends when the program has closed its output and ended, when its time is over, when it printed too
much, or when the process is stopping, which is looked at several times a second. What was printed is in *said* in any
case. Raises TimeoutError, TooMuch and Interrupted; the caller must kill the program then.
"""

from __future__ import annotations

import os
import select
import selectors
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

MOST_OUTPUT = 128 << 20
"""Bytes that a program may print: the entries of a table of a million lines are half of it."""
_SLICE = 0.1  # seconds between two looks at *stopped*
_BLOCK = 1 << 16


class TooMuch(Exception):  # noqa: N818 - what the program did
    """The program printed more than it may."""


class Interrupted(Exception):  # noqa: N818 - not an error of the program
    """*stopped* became true."""


class Process(Protocol):
    """The part of subprocess.Popen that is used here."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def poll(self) -> int | None:
        """Return the exit status, or None while the program runs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an exchange: *seconds*, *most* bytes of output, and whether it was *stopped*."""

    seconds: float
    stopped: Callable[[], bool] = lambda: False
    most: int = MOST_OUTPUT


def exchange(process: Process, text: bytes, limits: Limits, said: dict[str, bytearray]) -> None:
    """Write *text* and read the output, until the program has ended; *said* gets the output by the stream's name."""
    deadline = time.monotonic() + limits.seconds
    with selectors.DefaultSelector() as ready:
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream and not stream.closed:
                ready.register(stream, selectors.EVENT_READ, said.setdefault(name, bytearray()))
        left = memoryview(text)
        if process.stdin and not process.stdin.closed:
            ready.register(process.stdin, selectors.EVENT_WRITE)
        while ready.get_map():
            for key, _ in ready.select(_pause(deadline, limits)):
                if isinstance(key.data, bytearray):
                    over = not _read(key.fd, key.data)
                else:
                    left = _written(key.fd, left)
                    over = not left
                if over:
                    ready.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr] # it is a stream
                if sum(map(len, said.values())) > limits.most:
                    raise TooMuch
    pause = 0.0005
    while process.poll() is None:  # it closed its output and goes on
        time.sleep(min(pause, _pause(deadline, limits)))
        pause = min(pause * 2, 0.05)


def _pause(deadline: float, limits: Limits) -> float:
    """Return how long to wait now; raise when the exchange is over."""
    rest = deadline - time.monotonic()
    if rest <= 0:
        raise TimeoutError
    if limits.stopped():
        raise Interrupted
    return min(rest, _SLICE)


def _read(number: int, said: bytearray) -> bool:
    """Read what is there; return False at the end."""
    piece = os.read(number, _BLOCK)
    said += piece
    return bool(piece)


def _written(number: int, text: memoryview) -> memoryview:
    """Write as much as never blocks; return the rest, nothing if the program does not read."""
    with suppress(BrokenPipeError):
        return text[os.write(number, text[: select.PIPE_BUF]) :]
    return text[:0]
