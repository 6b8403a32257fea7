"""Something other than PostSRSd on its ports: it drips, or sends without end."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.host.programs import postsrsd

if TYPE_CHECKING:
    from pathlib import Path


def serve(listener: socket.socket, piece: bytes, pause: float) -> None:
    """Send the piece again and again to each client."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                while True:
                    connection.sendall(piece)
                    time.sleep(pause)


@pytest.mark.parametrize(("piece", "pause"), [(b"2", 0.05), (b"2" * 60_000, 0)], ids=["drips", "without end"])
@pytest.mark.parametrize("version", [1, 2])
def test_an_answer_that_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, piece: bytes, pause: float
) -> None:
    monkeypatch.setattr(postsrsd, "TIMEOUT", 0.3)
    if version == 1:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        (tmp_path / "default").write_text(f"SRS_FORWARD_PORT={port}\nSRS_REVERSE_PORT={port}\n")
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        (tmp_path / "postsrsd.conf").write_text(f'socketmap = "unix:{tmp_path}/s"\n')
    with closing(listener):
        Thread(target=serve, args=(listener, piece, pause), daemon=True).start()
        began = time.monotonic()
        assert postsrsd.answers(Host(), tmp_path)
        assert time.monotonic() - began < 20
        listener.shutdown(socket.SHUT_RDWR)


def test_why_it_does_not_work_is_said_without_the_number_of_the_error(tmp_path: Path) -> None:
    assert postsrsd.answers(Host(), tmp_path) == f"{tmp_path}/default: No such file or directory"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (tmp_path / "default").write_text(f"SRS_FORWARD_PORT={port}\nSRS_REVERSE_PORT={port}\n")
    assert postsrsd.answers(Host(), tmp_path) == "Connection refused"
