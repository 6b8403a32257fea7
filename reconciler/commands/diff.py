"""``reconciler diff``: how two configurations differ, each a generation, a commit, or what is live.

A generation is compared as it is on disk, so with a hand edit that was made while it was live. A commit that never was
a generation is rendered with the secrets and the facts of today; if that fails, the command shows its findings.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from reconciler.commands.console import Context, columns, say, say_all, say_cut
from reconciler.commands.contract import change_line
from reconciler.commands.options import as_json, pass_context, show_all
from reconciler.host.facts import gather
from reconciler.model import Contribution
from reconciler.model.errors import ReconcilerError, WithFindings
from reconciler.passes.branch import known_revision
from reconciler.passes.understand import complete, composed
from reconciler.repository.repo import UnknownRevision
from reconciler.trees.changes import totals
from reconciler.trees.equality import with_effects
from reconciler.trees.plan import diff
from reconciler.trees.render import render
from reconciler.trees.report import finding_lines, grouped_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.apply.edges import Edges
    from reconciler.model import Tree
    from reconciler.state.manifest import Generation

SHORTEST = 4  # digits of a commit's name, as for git


class NoConfiguration(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator named neither a generation on disk nor a commit."""


class _Side(NamedTuple):
    """The files of one side, and the places that made them; none if its commit can't be read any more."""

    tree: Tree
    origin: Callable[[], Contribution]


@click.command("diff")
@click.argument("old")
@click.argument("new", required=False)
@show_all
@as_json
@pass_context
def diff_command(context: Context, old: str, new: str | None, *, whole: bool, json_output: bool) -> None:
    r"""Show how two configurations differ.

    Each is the number of a generation, a commit, a branch, or "live"; without NEW, it is the live one. The lines that
    are shown are those of NEW. Exit status: 0 they are equal, 2 they differ, 1 one of them can't be read.

    \b
    Examples:
      reconciler diff 11             what has changed since generation 11
      reconciler diff 3f2a9c1 12     from a commit to generation 12
      reconciler diff live main      what the branch would change
    """
    edges = context.permitted()
    try:
        before, after = (_named(name, edges) for name in (old, new or "live"))
    except WithFindings as error:
        say_all(finding_lines(error.findings))
        sys.exit(1)
    plan = with_effects(diff(before.tree, after.tree, after.origin()), gather(edges.host, edges.settings))
    if json_output:
        shown = {"changes": [change_line(change) for change in plan.changes], "totals": totals(plan.changes)}
        click.echo(json.dumps(shown))
    elif plan.changes:
        say_cut(lambda full: grouped_lines(plan.changes, columns(), whole=full), whole=whole)
    else:
        say("no differences")
    sys.exit(2 if plan.changes else 0)


def _named(name: str, edges: Edges) -> _Side:
    """Return what has that name: a generation by its number or its commit, else a commit; raise NoConfiguration."""
    generation = edges.generations.live() if name == "live" else _generation(name, edges)
    if generation:
        return _Side(generation.owned(), partial(_origin, generation, edges))
    try:
        made = complete(composed(edges.repo.revision(name), edges)) if name != "live" else None
    except UnknownRevision:
        made = None
    if made is None:
        hint = "`reconciler generations` lists those on disk"
        raise NoConfiguration(f'no generation and no commit is "{name}"; {hint}')
    return _Side(render(made.origin, edges.templates), lambda: made.origin)


def _generation(name: str, edges: Edges) -> Generation | None:
    """Return the generation of that number, or the newest one of that commit."""
    known = edges.generations.all()
    numbered = [one for one in known if str(one.number) == name]
    of_commit = [one for one in known if len(name) >= SHORTEST and one.revision.startswith(name)]
    return next(iter((*numbered, *of_commit)), None)


def _origin(generation: Generation, edges: Edges) -> Contribution:
    """Return the places that made a generation's files."""
    commit = known_revision(generation.revision, edges)
    try:
        return composed(commit, edges, generation.kept).origin if commit else Contribution()
    except (ReconcilerError, ValueError):
        return Contribution()
