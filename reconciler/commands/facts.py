"""``reconciler facts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say
from reconciler.commands.options import pass_context
from reconciler.host.facts_file import as_text
from reconciler.model.errors import ReconcilerError
from reconciler.passes.judge import LiveCommit
from reconciler.passes.understand import facts_here, understand

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Facts


@click.command("facts")
@pass_context
def facts_command(context: Context) -> None:
    r"""Write the facts of this host as JSON, so that others can check commits for it.

    The facts are the parameters and the table types of this Postfix, users, addresses and ports, and what the branch
    needs to know: whether files exist, what certificates contain, and which servers answer. They contain no password
    and no private key. Exit status: 0 written, 77 not root.

    \b
    Examples:
      reconciler facts > mx1.json
      reconciler check --tree . --host mx1.example.com --facts mx1.json
    """
    context.require_root()
    click.echo(as_text(_facts(context.edges())), nl=False)


def _facts(edges: Edges) -> Facts:
    """Return the facts that the tip of the branch needs; if it can't be read, those that the live commit needs."""
    try:
        return understand(edges.repo.required_tip(), edges).facts
    except ReconcilerError as error:
        live = LiveCommit(edges).understood
        instead = "the live commit" if live else "no commit"
        say(f"limit: the branch can't be read, so these facts are what {instead} needs ({error})", err=True)
        return live.facts if live else facts_here(edges)
