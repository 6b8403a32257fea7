"""Daemons that answer one client and hang up: one that dies in mid answer, and one with no place for it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

LONG = {"do": "x" * 10_000_000}
"""A request that is too long to be sent before the daemon hangs up."""


def full_daemon(path: Path) -> AbstractContextManager[None]:
    """Refuse one client of the socket at this path, before its request is read."""
    return one_answer(path, b'{"error": "too many requests at once; try again"}\n', reads=0)


@contextmanager
def one_answer(path: Path, said: bytes, *, reads: int) -> Iterator[None]:
    """Read so many bytes of one client of the socket at this path, say something, and hang up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                if reads:
                    connection.recv(reads)
                connection.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        yield
        answering.join()
