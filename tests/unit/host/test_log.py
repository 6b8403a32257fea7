"""The log says facts from one list, in one line each."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.host import log
from reconciler.host.log import Event, Priority
from reconciler.model import Secret

if TYPE_CHECKING:
    from reconciler.host.settings import LogFormat


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:  # noqa: D102 - as its parent's
        return True


class FullDisk(io.StringIO):
    """A stream that has no room."""

    tried = False

    def write(self, text: str, /) -> int:  # noqa: D102 - as its parent's
        self.tried = bool(text)
        raise OSError(errno.ENOSPC, "No space left on device")


def test_json_is_one_object_a_line_with_what_was_bound() -> None:
    stream = io.StringIO()
    log.configure("auto", stream)
    log.get(host="mx1").bind(pass_number=3).info(Event.PASSED, path=Path("/x"), text="zwei\nZeilen")
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert said.pop("timestamp").endswith("Z")
    assert said == {
        "event": "passed", "level": "info", "host": "mx1", "pass_number": 3, "path": "/x", "text": "zwei\nZeilen",
    }  # fmt: skip


@pytest.mark.parametrize("log_format", ["json", "journal"])
def test_a_log_that_is_no_terminal_needs_no_library(log_format: str) -> None:
    script = (
        "import sys; from reconciler.host import log; "
        f"log.configure({log_format!r}, sys.stderr); log.get().info(log.Event.STARTED, pid=1); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "started" in done.stderr
    assert not {"structlog", "asyncio"} & set(done.stdout.split())


def test_a_name_that_is_not_on_the_list_is_refused() -> None:
    log.configure("json", io.StringIO())
    with pytest.raises(ValueError, match="is not a valid Event"):
        log.get().info("something_happened")  # type: ignore[arg-type] # mypy says so first


def test_auto_is_console_with_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    log.configure("auto", stream)
    log.get().warning(Event.WATCH_LOST, file="main.cf")
    assert "\x1b[" in stream.getvalue()
    assert "watch_lost" in stream.getvalue()


def test_there_is_no_colour_off_a_terminal_nor_where_it_is_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for stream in (io.StringIO(), Terminal()):
        log.configure("console", stream)
        log.get().error(Event.FAILED, generation=42)
        assert "failed" in stream.getvalue()
        assert "\x1b" not in stream.getvalue()


def test_steps_are_said_only_when_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    log.configure("json", stream)
    log.get().debug(Event.STEPPED)
    assert not stream.getvalue()
    monkeypatch.setenv("RECONCILER_DEBUG", "1")
    log.configure("json", stream)
    log.get().debug(Event.STEPPED)
    assert "stepped" in stream.getvalue()


def test_a_secret_that_is_logged_hides_its_value() -> None:
    formats: tuple[LogFormat, ...] = ("json", "console")
    for log_format in formats:
        stream = io.StringIO()
        log.configure(log_format, stream)
        log.get().info(Event.CHECKED, secret=Secret("relay", "hunter2"))
        assert "relay" in stream.getvalue()
        assert "hunter2" not in stream.getvalue()


def test_a_full_disk_under_the_log_stops_nothing() -> None:
    stream = FullDisk()
    log.configure("json", stream)
    log.get().info(Event.STARTED)
    assert stream.tried


def test_event_names_are_lower_case_words() -> None:
    assert all(event.value == event.name.lower() for event in Event)


def test_the_journal_gets_sentences_with_priorities() -> None:
    stream = io.StringIO()
    log.configure("journal", stream)
    logger = log.get(host="mx1")
    logger.at(Priority.CRITICAL, Event.PASSED, text="HALTED: x", revision="289378e")
    logger.error(Event.FAILED, traceback="")
    logger.warning(Event.CHECK_REFUSED, user="git", findings=["a.yaml:1:1: no", "b.yaml:2:1: no"], revision=None)
    logger.info(Event.PASSED, text="applied 289378e\nas generation 2")
    logger.debug(Event.WOKE, reasons=["push"])
    assert stream.getvalue().splitlines() == [
        "<2>HALTED: x",
        "<3>failed",
        "<4>check refused: user git, findings a.yaml:1:1: no, b.yaml:2:1: no",
        "<6>applied 289378e",
        "<6>as generation 2",
    ]


def test_auto_is_the_journal_where_systemd_connected_the_stream_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for connected in (True, False):
        path = tmp_path / str(connected)
        with path.open("w") as stream:
            status = path.stat()
            inode = status.st_ino if connected else status.st_ino + 1
            monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{inode}")
            log.configure("auto", stream)
            log.get().info(Event.STARTED, pid=7)
        assert path.read_text().startswith("<6>started: pid 7\n" if connected else "{")
