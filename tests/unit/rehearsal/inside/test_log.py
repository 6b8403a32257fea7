"""What was logged before the end is read, however late the reader comes."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from reconciler.rehearsal.inside import log as module
from reconciler.rehearsal.inside.log import RehearsalLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = [f"<22>Nov 27 08:00:00 postfix/smtpd[{number}]: connect" for number in range(50)]
READ = [f"postfix/smtpd[{number}]: connect" for number in range(50)]


@pytest.fixture
def folder(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_DEVICE", str(open_folder / "log"))
    return open_folder


@pytest.fixture
def postlogd(folder: Path) -> Iterator[socket.socket]:
    """Make the place where a daemon takes lines for maillog_file."""
    (folder / "public").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taking:
        taking.bind(str(folder / "public" / "postlog"))
        yield taking


def send(lines: list[str], path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        for line in lines:
            sending.sendto(line.encode(), str(path))


@pytest.mark.parametrize("number", [1, 5])
def test_a_line_that_its_reader_has_not_read_yet_is_waited_for(folder: Path, number: int) -> None:
    log = RehearsalLog("", str(folder))
    with log._news:  # noqa: SLF001 - it keeps the reader from reading, as a busy host does
        send(LINES[:number], folder / "log")
    assert log.all() == READ[:number]
    send(LINES[number:8], folder / "log")
    assert log.all() == READ[:8]


def test_a_line_that_postlogd_has_not_written_yet_is_waited_for(folder: Path, postlogd: socket.socket) -> None:
    file = folder / "maillog"

    def write_late() -> None:
        while (text := postlogd.recv(4096).decode()) != "end":
            with file.open("a") as stream:
                stream.write(f"{text}\n")

    log = RehearsalLog(str(file), str(folder))
    send(READ[:5], folder / "public" / "postlog")
    writer = threading.Thread(target=write_late)
    writer.start()
    assert log.all() == [*READ[:5], ""]
    send(["end"], folder / "public" / "postlog")
    writer.join()


def test_where_no_postlogd_takes_a_line_what_the_file_holds_is_all(folder: Path) -> None:
    (folder / "maillog").write_text("postfix/smtpd[0]: connect\n")
    assert RehearsalLog(str(folder / "maillog"), str(folder)).all() == [READ[0], ""]
