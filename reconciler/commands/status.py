"""``reconciler status`` shows what is live, and what the operator must do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from reconciler.commands.advice import advice, bugs
from reconciler.commands.console import Context, say_all
from reconciler.commands.log import log_lines
from reconciler.commands.options import as_json, pass_context
from reconciler.daemon.control import ask
from reconciler.model.errors import ReconcilerError
from reconciler.trees.report import left_out_lines, probation_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.passes.status import Status


@click.command("status")
@as_json
@pass_context
def status_command(context: Context, *, json_output: bool) -> None:
    """Show what is live, and what you must do.

    Also shows how the last pass ended.
    """
    shown = _ask_daemon(context)
    if shown is None:
        from reconciler.passes import status as state  # noqa: PLC0415 - a running daemon has all that this needs

        shown = state.status(context.permitted(), state.Known(), daemon=False)
    if json_output:
        click.echo(json.dumps(shown))
    else:
        say_all(status_lines(shown))


def _ask_daemon(context: Context) -> Status | None:
    try:
        for message in ask(context.settings.socket, {"do": "status"}, 10.0):
            if "done" in message:
                done: Status = message["done"]
                return done
    except ReconcilerError:
        return None
    return None


def status_lines(status: Status) -> Iterator[str]:
    """Yield the lines of ``reconciler status``, from the same value that --json prints."""
    phase, live, last = status["phase"], status["live"], status["last"]
    subject = phase.get("revision", "")[:7]
    where = (
        f"generation {live['generation']} = {live['revision'][:7] or live['source']}"
        if live
        else f"nothing ({'its files are not there' if status.get('lost') else 'not adopted'})"
    )
    yield f"{status['host']}    {' '.join(filter(None, (phase['name'], subject)))}    live: {where}"
    yield from (f"  {one['text']}" for one in bugs(last))
    postfix, drift = status["postfix"], status["drift"]
    running = "running" if postfix["running"] else "NOT RUNNING"
    daemon = "running" if status["daemon"] else "not running"
    shown = "none" if not drift else ", ".join(drift)
    yield f"  Postfix {postfix['version']} {running}   drift {shown}   daemon {daemon}"
    for waiting in status.get("queue", ()):
        yield f"  mail waits ({waiting['messages']}): {waiting['why']}"
    for name, companion in (status.get("companions") or {}).items():
        yield f"  {name} running" if companion["running"] else f"  {name} NOT RUNNING: {companion['why']}"
    if status.get("ignored"):
        yield f"  hand edits kept by ignore rules: {', '.join(status['ignored'])}"
    yield from (f"  {key['text']}" for key in status.get("dkim", ()))
    if refused := ", ".join(f"{one['user']} {one['times']}" for one in status.get("refused", ())):
        yield f"  outbound connections that the lockdown refused, by user: {refused}"
    yield from (f"  {line}" for line in left_out_lines(status.get("left_out") or {}))
    yield from (f"  limit: {limit}" for limit in status["limits"])
    yield from (f"  trouble: {one}" for one in status.get("troubles", ()) if one not in status["limits"])
    if phase["name"] == "Suspended":
        until = phase["until"] or (
            "the branch moves, or `reconciler resume`" if phase["tip"] else "`reconciler resume`"
        )
        yield f"  suspended by {phase['who']}: {phase['why']}; until {until}"
    probation = phase if phase["name"] == "Probation" else phase.get("probation")
    if probation:
        before = status["before"]
        back = f"generation {before} stays on disk for a rollback" if before is not None else "no generation before it"
        yield f"  {probation_line(probation)} ({back})"
    if last:
        yield from (f"  {line}" for line in log_lines(last))
    yield f"  {advice(status)}"
