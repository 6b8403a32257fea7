"""A daemon that has no place for one more client: it answers and hangs up, and reads nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = {"do": "x" * 10_000_000}
"""A request that is too long to be sent before the daemon hangs up."""


@contextmanager
def full_daemon(path: Path) -> Iterator[None]:
    """Refuse one client of the socket at this path, before its request is read."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b'{"error": "too many requests at once; try again"}\n')

        refusing = threading.Thread(target=refuse)
        refusing.start()
        yield
        refusing.join()
