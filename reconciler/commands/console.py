"""The parts that all commands share: settings and edges on demand, errors as exit statuses, colour on a terminal.

Exit status: 64 wrong usage, 70 a bug in reconciler, 77 not permitted, 78 settings or facts that can't be read, 75 a
failure on this host, 1 any other error.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from reconciler.commands.exit_status import BUG, CONFIGURATION, INTERRUPTED, NOT_PERMITTED, TEMPORARY, USAGE
from reconciler.commands.progress import progress
from reconciler.daemon.control import NotPermitted, ask
from reconciler.host.settings import Settings, read_settings
from reconciler.model.errors import BadFacts, BadSettings, ReconcilerError, Unavailable
from reconciler.passes.internal_error import InternalError, internal_errors
from reconciler.trees.fold import LEAST, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.state.journal import Journal

_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (PermissionError, NOT_PERMITTED),
    (NotPermitted, NOT_PERMITTED),
    (BadSettings, CONFIGURATION),
    (BadFacts, CONFIGURATION),
    (Unavailable, TEMPORARY),
    (OSError, TEMPORARY),
    (InternalError, BUG),
    (ReconcilerError, 1),
)
_OF_CLICK = (click.exceptions.Abort, click.exceptions.Exit, click.ClickException)
_COLOURS = {"+": "green", "-": "red", "~": "yellow"}
_CHANGE = re.compile(r"  ([+~-]) ")
_PLACE = re.compile(r"^\s*(\S+:\d+:\d+:)( warning:)?", re.ASCII)


class Reconciler(click.Group):
    """The group of all commands: wrong usage exits with 64 everywhere, and every expected error is one line."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command, and turn errors into exit statuses."""
        keep_examples(self)
        try:
            with internal_errors(*_OF_CLICK):
                return super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.Abort:
            sys.exit(INTERRUPTED)
        except click.ClickException as error:
            error.show()
            sys.exit(USAGE if isinstance(error, click.UsageError) else error.exit_code)
        except BrokenPipeError:
            sys.exit(0)
        except (ReconcilerError, OSError) as error:
            say_bug(error)
            status = next(status for kind, status in _STATUSES if isinstance(error, kind))
            where = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
            _stop(status, where)


def say_bug(error: Exception) -> None:
    """Print the traceback if the error is a bug in reconciler, and the environment asks for it."""
    if isinstance(error, InternalError):
        say_traceback(error.traceback)


def say_traceback(traceback: str) -> None:
    """Print a traceback, if there is one and the environment asks for it."""
    from reconciler.host.log import DEBUG  # noqa: PLC0415 - only a bug needs it

    if traceback and DEBUG in os.environ:
        click.echo(traceback, err=True)


def keep_examples(command: click.Command) -> None:
    """Have --help print examples line by line: a raw docstring holds click's marker, a backspace, as two characters."""
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    for one in command.commands.values() if isinstance(command, click.Group) else ():
        keep_examples(one)


def _stop(status: int, why: object) -> NoReturn:
    click.echo(f"reconciler: {why}", err=True)
    sys.exit(status)


def say(line: str = "", *, err: bool = False) -> None:
    """Print a line; on a terminal, changes and findings are coloured."""
    progress.end()
    if match := _CHANGE.match(line):
        click.echo(click.style(line, fg=_COLOURS[match[1]]), err=err)
    elif match := _PLACE.match(line):
        colour = "yellow" if match[2] else "red"
        click.echo(click.style(match[0], fg=colour, bold=True) + line[match.end() :], err=err)
    else:
        click.echo(line, err=err)


def say_all(lines: Iterable[str]) -> None:
    """Print lines; on a terminal, long ones are folded."""
    for line in fold(lines, columns()):
        say(line)


def say_cut(lines: Callable[[bool], Iterable[str]], *, whole: bool) -> None:
    """Print lines that are cut to the terminal unless they are to be *whole*, and say so if any is."""
    shown = list(lines(whole))
    say_all(shown)
    if not whole and shown != list(lines(True)):
        say("  some values are cut: --all shows them whole")


def columns() -> int:
    """Return the width of the terminal on standard output; 0 if it is none."""
    return max(shutil.get_terminal_size().columns, LEAST) if sys.stdout.isatty() else 0


class Context:
    """The objects that commands share; each is made on first use, so --help needs no settings."""

    def __init__(self, settings_file: Path | None) -> None:
        self.file = settings_file
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The settings of this host."""
        self._settings = self._settings or read_settings(self.file)
        return self._settings

    def suppose(self, settings: Settings) -> None:
        """Use these settings, because no file has any yet."""
        self._settings = settings

    def edges(self, state_directory: Path | None = None) -> Edges:
        """Return the edges of a pass; *state_directory* replaces the real state for a command that must change nothing.

        Checks by root still read the host's Postfix, because dynamicmaps.cf lists the table types that it can read.
        """
        from reconciler.commands.edges import edges_for  # noqa: PLC0415 - status and log need no libgit2

        settings = self.settings
        directory, configuration = state_directory or settings.state, settings.config_directory
        backup = state_directory / "backup" if state_directory else settings.backup
        if state_directory and not (os.geteuid() == 0 and configuration.is_dir()):
            configuration = state_directory / "etc"
        progress.begin()
        return edges_for(settings, directory, configuration, backup, progress.step)

    def is_host(self) -> bool:
        """Return whether a check can compare with the live state of this host; else it has only a temporary folder."""
        return os.geteuid() == 0 and self.settings.state.is_dir()

    def permitted(self) -> Edges:
        """Return the edges for a command that reads or changes the state; raises PermissionError unless run by root."""
        self.require_root()
        edges = self.edges()
        edges.generations.prepare()
        return edges

    def journal(self) -> Journal:
        """Return the journal, to read; raises PermissionError unless run by root."""
        from reconciler.host.effects import Host  # noqa: PLC0415 - a running daemon tells the status without these
        from reconciler.state.journal import Journal  # noqa: PLC0415

        self.require_root()
        return Journal(self.settings.state / "private", Host())

    def require_root(self) -> None:
        """Raise PermissionError unless run by root."""
        state = self.settings.state
        if os.geteuid() != 0:
            raise PermissionError(1, "not permitted; run this as root", str(state))

    def poke(self) -> None:
        """Wake the daemon, if it runs, after an operator's command."""
        from reconciler.model.phase import Wake  # noqa: PLC0415 - as above

        with suppress(ReconcilerError):
            list(ask(self.settings.socket, {"do": "wake", "reason": Wake.OPERATOR.value}, 5.0))


def who() -> str:
    """Return the operator's name: the user who ran sudo, else the current user."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
