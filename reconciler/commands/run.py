"""``reconciler run``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from reconciler.commands.options import pass_context
from reconciler.daemon.loop import Daemon
from reconciler.host.log import configure

if TYPE_CHECKING:
    from reconciler.commands.console import Context


@click.command("run")
@pass_context
def run_command(context: Context) -> None:
    """Run the daemon.

    It follows the branch, watches for hand edits and answers the git hooks.
    """
    configure(context.settings.log_format, sys.stderr)
    Daemon(context.permitted()).run()
