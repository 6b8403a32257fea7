"""The queue manager is woken up through its socket, or its pipe, and is not missed where there is none."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from reconciler.apply.flow_tokens import refill

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    (tmp_path / "public").mkdir()
    return tmp_path


def test_a_socket_is_told_to_look_at_the_incoming_queue(queue: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(queue / "public/qmgr"))
        listener.listen()
        refill(queue)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(16) == b"I"


def test_so_is_a_pipe(queue: Path) -> None:
    os.mkfifo(queue / "public/qmgr")
    descriptor = os.open(queue / "public/qmgr", os.O_RDONLY | os.O_NONBLOCK)
    refill(queue)
    assert os.read(descriptor, 16) == b"I"
    os.close(descriptor)


def test_a_link_is_not_followed(queue: Path) -> None:
    os.mkfifo(queue / "elsewhere")
    (queue / "public/qmgr").symlink_to(queue / "elsewhere")
    descriptor = os.open(queue / "elsewhere", os.O_RDONLY | os.O_NONBLOCK)
    refill(queue)
    assert os.read(descriptor, 16) == b""
    os.close(descriptor)


@pytest.mark.parametrize("there", ["nothing", "a pipe that no process reads", "a file"])
def test_a_queue_manager_that_does_not_listen_is_not_missed(queue: Path, there: str) -> None:
    path = queue / "public/qmgr"
    if there == "a file":
        path.write_text("")
    elif there != "nothing":
        os.mkfifo(path)
    refill(queue)
    assert not path.is_file() or path.read_text() == ""
