"""The end of a program in a throw-away host: it gets its standard input, and what it printed is returned.

Raises TimeoutError, whose note is what was printed, for a program that does not end in time; it is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.preloaded import Program


class Ended(NamedTuple):
    """The exit status, and what was written to standard output and standard error."""

    status: int
    output: str
    errors: str


def end_of_command(process: subprocess.Popen[str], text: str, timeout: float) -> Ended:
    """Wait for the end of a command that has pipes, in a session of its own."""
    with process:
        try:
            printed = process.communicate(text, timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # its children hold the pipes open
            printed = process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise _late("".join(printed)) from None
    return Ended(process.returncode, *printed)


def end_of_program(start: Callable[..., Program], text: str, timeout: float = 180, *, apart: bool = False) -> Ended:
    """Start a program that is imported already, and wait for its end; *apart*: its errors are not with its output."""
    with ExitStack() as opened:
        stdin, output, errors = (opened.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
        stdin.write(text)
        stdin.seek(0)
        program = start(stdin=stdin.fileno(), output=output.fileno(), errors=(errors if apart else output).fileno())
        try:
            status = program.wait(timeout)
        except TimeoutError:
            program.kill()
            raise _late(_printed(output) + _printed(errors)) from None
        return Ended(status, _printed(output), _printed(errors))


def _late(printed: str) -> TimeoutError:
    error = TimeoutError("not done in time")
    error.add_note(printed)
    return error


def _printed(output: IO[str]) -> str:
    output.seek(0)
    return output.read()
