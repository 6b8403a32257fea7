"""``reconciler generations`` and ``diff``: what is on disk, what a rollback can go back to, and how they differ."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say, say_all
from reconciler.commands.options import as_json, pass_context
from reconciler.model import printable
from reconciler.model.errors import ReconcilerError
from reconciler.trees.plan import diff
from reconciler.trees.report import change_lines
from reconciler.trees.times import local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.apply.edges import Edges
    from reconciler.state.manifest import Generation


SHORTEST = 4  # digits of a commit's name, as for git


class NoGeneration(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator named a generation that is not on disk."""


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


@click.command("diff")
@click.argument("old")
@click.argument("new", required=False)
@pass_context
def diff_command(context: Context, old: str, new: str | None) -> None:
    r"""Show how two generations differ.

    Each is a number, or the commit that it was made from; without NEW, it is the live one. Exit status: 0 they are
    equal, 2 they differ.

    \b
    Examples:
      reconciler diff 11             what has changed since generation 11
      reconciler diff 3f2a9c1 12     from the generation of a commit to generation 12
    """
    edges = context.permitted()
    before, after = (_named(name, edges).owned() for name in (old, new or "live"))
    changes = diff(before, after).changes
    say_all(change_lines(changes, len(changes)))
    sys.exit(2 if changes else 0)


def _named(name: str, edges: Edges) -> Generation:
    """Return the generation of that number, or the newest one of that commit; raise NoGeneration if there is none."""
    if name == "live":
        found = edges.generations.live()
    else:
        known = edges.generations.all()
        numbered = [one for one in known if str(one.number) == name]
        of_commit = [one for one in known if len(name) >= SHORTEST and one.revision.startswith(name)]
        found = next(iter((*numbered, *of_commit)), None)
    if found is None:
        raise NoGeneration(f'no generation on disk is "{name}"; `reconciler generations` lists them')
    return found


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
    from reconciler.passes.record import known_revision  # noqa: PLC0415 - it opens the repository

    commit = known_revision(generation.revision, edges) if generation.revision else None
    return printable(commit.subject) if commit else ""
