"""The log: structlog's one door, and the list of everything that is ever logged.

An event is a fact in the past tense; its particulars are keywords. A pass ends in one canonical line, PASSED. Console
or JSON, colour on a terminal only. Secrets are the callers' care: Secret hides its value, and nothing else holds one.

A name that is not on the list raises ValueError (mypy says so first). A line that cannot be written is dropped: a full
disk must not stop mail.
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


class Event(StrEnum):
    """Everything that can be logged."""

    STARTED = "started"
    STOPPED = "stopped"
    WOKE = "woke"
    STEPPED = "stepped"
    CHECKED = "checked"
    PASSED = "passed"
    PHASE_CHANGED = "phase_changed"
    NOTE_LOST = "note_lost"
    WATCH_LOST = "watch_lost"
    OUTBOUND_REFUSED = "outbound_refused"
    LOOK_FAILED = "look_failed"
    FAILED = "failed"
    SITE_REMOVED = "site_removed"
    REMOVAL_WAITS = "removal_waits"


class Log:
    """A logger with what is bound to it; made by get()."""

    def __init__(self, bound: dict[str, object]) -> None:
        self._bound = bound

    def bind(self, **facts: object) -> Log:
        """The same logger, with more to say on every line."""
        return Log({**self._bound, **facts})

    def debug(self, event: Event, **facts: object) -> None:
        """Say a step of a pass."""
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
    """A logger that says *bound* on every line."""
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
        wrapper_class=structlog.make_filtering_bound_logger("debug" if "RECONCILER_DEBUG" in os.environ else "info"),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _json(event: object, **_: object) -> str:
    """One line; what JSON does not know (a path, a finding) as the text it prints."""
    return json.dumps(event, default=str, ensure_ascii=False)
