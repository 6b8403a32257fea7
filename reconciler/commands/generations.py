"""``reconciler generations``: what is on disk, and what a rollback can go back to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say, say_all
from reconciler.commands.options import as_json, pass_context
from reconciler.model import printable
from reconciler.trees.times import local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.apply.edges import Edges
    from reconciler.state.manifest import Generation


@click.command("generations")
@as_json
@pass_context
def generations_command(context: Context, *, json_output: bool) -> None:
    """List the generations on disk, newest first.

    A generation is a complete configuration that was live, or failed. `reconciler rollback N` goes back to one that is
    not marked as failed or edited.
    """
    edges = context.permitted()
    if json_output:
        for line in _data(edges):
            click.echo(json.dumps(line))
        return
    lines = [_line(line) for line in _data(edges)]
    say_all(lines)
    if not lines:
        say("no generations: not adopted yet")


def _data(edges: Edges) -> Iterator[dict[str, object]]:
    live = edges.generations.live()
    for one in edges.generations.all():
        yield {
            "generation": one.number,
            "live": live is not None and one.number == live.number,
            "at": _made(one),
            "revision": one.revision,
            "source": str(one.source),
            "subject": _subject(one, edges),
            "tainted": one.tainted,
        }


def _line(line: dict[str, object]) -> str:
    marks = "live" if line["live"] else "failed or edited by hand" if line["tainted"] else ""
    name = str(line["revision"])[:7] or str(line["source"])
    at = local(str(line["at"]), datetime.now(UTC))
    subject = str(line["subject"])
    star = "*" if line["live"] else " "
    return f"{star} {line['generation']:>4}  {at:<16}  {name:<14}  {subject}{marks and f'  ({marks})'}".rstrip(" ")


def _made(generation: Generation) -> str:
    return f"{datetime.fromtimestamp(generation.path.stat().st_ctime, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _subject(generation: Generation, edges: Edges) -> str:
    from reconciler.passes.branch import known_revision  # noqa: PLC0415 - it opens the repository

    commit = known_revision(generation.revision, edges) if generation.revision else None
    return printable(commit.subject) if commit else ""
