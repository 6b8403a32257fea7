"""What a command is doing, once it has lasted a second: a line on standard error for each step, on a terminal only.

Promises: a command that ends within a second shows nothing, and no line is ever changed or removed, so that lines never
mix with the command's own output. Raises nothing.
"""

from __future__ import annotations

import sys
import threading

import click

PATIENCE = 1.0


class Steps:
    """The steps of one command."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self._is_shown = False
        self._step = ""

    def begin(self) -> None:
        """Begin to wait for the second to pass; until a step is named, the name of the command stands for it."""
        context = click.get_current_context(silent=True)
        if self._timer is None and context and sys.stderr.isatty():
            self._step = context.command_path.partition(" ")[2]
            self._timer = threading.Timer(PATIENCE, self._show)
            self._timer.daemon = True
            self._timer.start()

    def step(self, step: str) -> None:
        """Note a step, and show it if the second has passed."""
        self._step = step
        if self._is_shown:
            self._show()

    def end(self) -> None:
        """Show no more steps, because the command prints its result."""
        if self._timer:
            self._timer.cancel()
        self._is_shown = False

    def _show(self) -> None:
        self._is_shown = True
        click.echo(f"  {self._step} ...", err=True)


progress = Steps()
"""The steps of this process's command."""
