"""Turn a bug in reconciler into a finding, so that it is reported where a commit's errors are.

Promises: the text names the exception's type and the innermost line of reconciler that it passed through. It quotes
neither the exception's own text nor a value, because both may hold a secret or the content of a file; only the
*traceback*, which is for the daemon's log, does. A panic in a library and a lack of memory are bugs as well.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import reconciler
from reconciler.model import Finding, Where
from reconciler.model.errors import ReconcilerError, Stopping, WithFindings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ON_PURPOSE: tuple[type[BaseException], ...] = (
    ReconcilerError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit,
)  # fmt: skip
_PACKAGE = Path(reconciler.__file__).parent
_REPORT = "`reconciler explain internal-error` says how to report it"


class InternalError(WithFindings):
    """The maintainers must fix reconciler, because it has a bug; *traceback* is for the log only."""

    def __init__(self, finding: Finding, told: str) -> None:
        super().__init__([finding])
        self.traceback = told

    def saying(self, what: str) -> InternalError:
        """Return the same error with its consequence in the text."""
        finding = self.findings[0]
        return InternalError(replace(finding, text=f"{finding.text}; {what}"), self.traceback)


@contextmanager
def internal_errors(*on_purpose: type[BaseException]) -> Iterator[None]:
    """Raise InternalError for a bug in the block; errors that are raised *on_purpose*, and all of ours, pass."""
    try:
        yield
    except _ON_PURPOSE + on_purpose:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of a library in Rust is no Exception
        raise as_internal(error) from None


class FailedTask(NamedTuple):
    """Why a task of a thread failed: a *problem*, or a *bug* with its *traceback*; all are empty if it did not."""

    problem: str = ""
    bug: str = ""
    traceback: str = ""


def failure_of(task: Callable[[], str | None]) -> FailedTask:
    """Do a task, which may return its problem or raise one, and return what failed; raises Stopping alone."""
    try:
        with internal_errors():
            return FailedTask(task() or "")
    except Stopping:
        raise
    except InternalError as error:
        return FailedTask(bug=str(error), traceback=error.traceback)
    except (ReconcilerError, OSError) as error:
        return FailedTask(str(error))


def as_internal(error: BaseException) -> InternalError:
    """Return a bug as an InternalError."""
    kind, (file, line, function) = type(error).__name__, _place(error)
    finding = Finding(
        rule="internal-error", where=Where(file, line), subject=f"{kind} {file}:{line}", lasting=False,
        text=f"a bug in reconciler: {kind} in {function}; {_REPORT}",
    )  # fmt: skip
    return InternalError(finding, "".join(traceback.format_exception(error)))


def _place(error: BaseException) -> tuple[str, int, str]:
    """Return file, line and function of the innermost frame that is reconciler's own."""
    found = "reconciler", 1, "?"
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_PACKAGE):
            found = str(path.relative_to(_PACKAGE.parent)), line, frame.f_code.co_qualname
    return found


def is_internal(findings: tuple[Finding, ...]) -> bool:
    """Return whether a bug in reconciler is among the findings."""
    return any(finding.rule == "internal-error" for finding in findings)
