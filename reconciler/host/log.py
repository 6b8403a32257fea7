"""Write the log; the only importer of structlog, with the list of all events.

An event is a fact in the past tense; its details are keywords, and *text* is the sentence that people read. A pass ends
with one canonical line, PASSED. The format is console on a terminal, which structlog writes, sentences with syslog's
priorities in systemd's journal (sd-daemon(3)), and JSON elsewhere or when the settings ask for it. Callers must not log
secrets: Secret hides its value, and no other type holds one.

A name that is not on the list raises ValueError (mypy reports it first). A line that can't be written is dropped,
because a full disk must not stop mail.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from reconciler.host.settings import LogFormat

_OF_THE_JOURNAL = {"event", "level", "timestamp", "host"}  # systemd records the last three itself
DEBUG = "RECONCILER_DEBUG"  # in the environment: more is logged, and commands print the traceback of a bug


_writers: list[Callable[[dict[str, Any]], None]] = []
"""The way that configure() chose to write an event; on a terminal if it was not called."""


class Event(StrEnum):
    """All events that can be logged."""

    STARTED = "started"
    STOPPED = "stopped"
    WOKE = "woke"
    STEPPED = "stepped"
    CHECKED = "checked"
    CHECK_REFUSED = "check_refused"
    PASSED = "passed"
    PHASE_CHANGED = "phase_changed"
    FETCHED = "fetched"
    NOT_EXCHANGED = "not_exchanged"
    NOTE_LOST = "note_lost"
    NOT_NOTIFIED = "not_notified"
    WATCH_LOST = "watch_lost"
    OUTBOUND_REFUSED = "outbound_refused"
    LOOK_FAILED = "look_failed"
    TROUBLED = "troubled"
    LINE_DOUBTED = "line_doubted"
    FAILED = "failed"
    SITE_REMOVED = "site_removed"
    REMOVAL_WAITS = "removal_waits"


class Priority(IntEnum):
    """syslog's priorities, as far as they are used; the most urgent one is the lowest number."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


class Log:
    """A logger with its bound keywords; made by get()."""

    def __init__(self, bound: dict[str, object]) -> None:
        self._bound = bound

    def bind(self, **facts: object) -> Log:
        """Return the same logger with more keywords on every line."""
        return Log({**self._bound, **facts})

    def debug(self, event: Event, **facts: object) -> None:
        """Log a step of a pass."""
        self._write("debug", event, facts)

    def info(self, event: Event, **facts: object) -> None:
        """Log information."""
        self._write("info", event, facts)

    def warning(self, event: Event, **facts: object) -> None:
        """Log a warning: an administrator should look at it."""
        self._write("warning", event, facts)

    def error(self, event: Event, **facts: object) -> None:
        """Log an error: an administrator must look at it."""
        self._write("error", event, facts)

    def bug(self, text: str, traceback: str, **facts: object) -> None:
        """Log a bug in reconciler: one line that is an error, and the traceback as information."""
        self.error(Event.FAILED, text=text, **facts)
        self.info(Event.FAILED, traceback=traceback, **facts)

    def at(self, priority: Priority, event: Event, **facts: object) -> None:
        """Log with a priority that depends on the facts."""
        self._write(priority.name.lower(), event, facts)

    def _write(self, level: str, event: Event, facts: dict[str, object]) -> None:
        told = {**self._bound, **facts, "event": Event(event).value, "level": level}
        with suppress(OSError):
            (_writers or [_on_terminal])[0](told)


def get(**bound: object) -> Log:
    """Return a logger that adds *bound* to every line."""
    return Log(bound)


def configure(log_format: LogFormat, stream: TextIO) -> None:
    """Write all logging to *stream*; ``auto`` is what fits it: a terminal, systemd's journal, or anything else."""
    terminal = stream.isatty()
    if log_format == "auto":
        log_format = "console" if terminal else "journal" if _is_journal(stream) else "json"
    if log_format == "console":
        _configure_console(stream, colors=terminal and "NO_COLOR" not in os.environ)
        _writers[:] = [_on_terminal]
    else:
        render, debugs = _sentence if log_format == "journal" else _json, DEBUG in os.environ
        _writers[:] = [partial(_write_line, stream, render, debugs, Lock())]


# ---- on a terminal ---------------------------------------------------------------------------------------------------


def _configure_console(stream: TextIO, *, colors: bool) -> None:
    import structlog  # noqa: PLC0415 - it takes 7 MiB, and a daemon writes to no terminal

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=16),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("debug" if DEBUG in os.environ else "info"),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _on_terminal(told: dict[str, Any]) -> None:
    import structlog  # noqa: PLC0415 - as above

    logger: FilteringBoundLogger = structlog.get_logger()
    facts = {name: value for name, value in told.items() if name not in {"event", "level"}}
    getattr(logger, told["level"])(told["event"], **facts)


# ---- elsewhere -------------------------------------------------------------------------------------------------------


def _write_line(
    stream: TextIO, render: Callable[[dict[str, Any]], str], debugs: bool, lock: Lock, told: dict[str, Any]
) -> None:
    """Write an event, unless it is a step that is only of interest for debugging; safe from any thread."""
    if debugs or told["level"] != "debug":
        timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        with lock:
            stream.write(f"{render({**told, 'timestamp': timestamp})}\n")
            stream.flush()


def _is_journal(stream: TextIO) -> bool:
    """Return whether systemd connected the stream to its journal (systemd.exec(5), JOURNAL_STREAM)."""
    with suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False


def _sentence(event: dict[str, Any]) -> str:
    """Return an event as lines for the journal, each with its priority; without a *text*, its facts follow its name."""
    prefix = f"<{Priority[event['level'].upper()]:d}>"
    facts = {
        name: value for name, value in event.items() if name not in _OF_THE_JOURNAL and value not in (None, "", [])
    }
    told = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in facts.items())
    text = str(event.get("text") or f"{str(event['event']).replace('_', ' ')}{told and f': {told}'}")
    return "\n".join(f"{prefix}{line}" for line in text.split("\n"))


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _json(event: dict[str, Any]) -> str:
    """Return one line; a value that JSON does not support (a path, a finding) becomes its text."""
    return json.dumps(event, default=str, ensure_ascii=False)
