"""``reconciler status`` answers in its first line whether an operator must act, and in its last line how."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say_all
from reconciler.commands.options import as_json, pass_context
from reconciler.commands.status_rows import status_lines
from reconciler.daemon.control import ask
from reconciler.model.errors import ReconcilerError, SilentDaemon

if TYPE_CHECKING:
    from reconciler.passes.status_value import Status

EVERY = 2.0  # seconds between two looks of --watch
PATIENCE = 10.0  # seconds that a daemon has for an answer
EXIT = {"well": 0, "attention": 1, "stopped": 2}


@click.command("status")
@as_json
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until you press Ctrl-C.")
@pass_context
def status_command(context: Context, *, json_output: bool, watch: bool) -> None:
    """Show whether you must act, what is live, and what is wrong now.

    The last line names the command to run next.

    Exit status: 0 all is well, 1 something needs you, 2 mail is stopped or reconciler has halted.
    """
    while watch:
        shown = _now(context)
        click.clear()
        _print(shown, json_output=json_output)
        time.sleep(EVERY)
    shown = _now(context)
    _print(shown, json_output=json_output)
    sys.exit(EXIT[shown["verdict"]["level"]])


def _print(shown: Status, *, json_output: bool) -> None:
    if json_output:
        click.echo(json.dumps(shown))
    else:
        say_all(status_lines(shown, datetime.now(UTC)))


def _now(context: Context) -> Status:
    try:
        shown, unanswered = _ask_daemon(context), ""
    except SilentDaemon:
        shown, unanswered = None, f"the daemon did not answer within {PATIENCE:g} s"
    if shown is None:
        from reconciler.passes import status as state  # noqa: PLC0415 - a running daemon has all that this needs

        shown = state.status(context.permitted(), state.Known(unanswered=unanswered), daemon=False)
    return shown


def _ask_daemon(context: Context) -> Status | None:
    try:
        for message in ask(context.settings.socket, {"do": "status"}, PATIENCE):
            if "done" in message:
                done: Status = message["done"]
                return done if "verdict" in done else None  # a daemon of an earlier version, until it is restarted
    except SilentDaemon:
        raise
    except ReconcilerError:
        return None
    return None
