"""Write the log; the only importer of structlog, with the list of all events.

An event is a fact in the past tense; its details are keywords. A pass ends with one canonical line, PASSED. The format
is console or JSON, with colour on a terminal only. Callers must not log secrets: Secret hides its value, and no other
type holds one.

A name that is not on the list raises ValueError (mypy reports it first). A line that can't be written is dropped,
because a full disk must not stop mail.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

    from reconciler.host.settings import LogFormat

DEBUG = "RECONCILER_DEBUG"  # in the environment: more is logged, and commands print the traceback of a bug


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
    NOTE_LOST = "note_lost"
    WATCH_LOST = "watch_lost"
    OUTBOUND_REFUSED = "outbound_refused"
    LOOK_FAILED = "look_failed"
    LINE_DOUBTED = "line_doubted"
    FAILED = "failed"
    SITE_REMOVED = "site_removed"
    REMOVAL_WAITS = "removal_waits"


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

    def _write(self, level: str, event: Event, facts: dict[str, object]) -> None:
        import structlog  # noqa: PLC0415 - a command that logs nothing does not wait for it

        logger: FilteringBoundLogger = structlog.get_logger()
        with suppress(OSError):
            getattr(logger, level)(Event(event).value, **self._bound, **facts)


def get(**bound: object) -> Log:
    """Return a logger that adds *bound* to every line."""
    return Log(bound)


def configure(log_format: LogFormat, stream: TextIO) -> None:
    """Write all logging to *stream*; ``auto`` is console on a terminal and JSON elsewhere."""
    import structlog  # noqa: PLC0415

    terminal = stream.isatty()
    console = log_format == "console" or (log_format == "auto" and terminal)
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=terminal and "NO_COLOR" not in os.environ, pad_event_to=16)
        if console
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("debug" if DEBUG in os.environ else "info"),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _json(event: object, **_: object) -> str:
    """Return one line; a value that JSON does not support (a path, a finding) becomes its text."""
    return json.dumps(event, default=str, ensure_ascii=False)
