"""``reconciler rollback`` and ``rescue``."""

from __future__ import annotations

import click

from reconciler.commands.console import Context, who
from reconciler.commands.finish import finish
from reconciler.commands.options import as_json, pass_context
from reconciler.passes.operator import rescue, roll_back


@click.command("rollback")
@click.argument("generation", type=int, required=False)
@as_json
@pass_context
def rollback_command(context: Context, generation: int | None, *, json_output: bool) -> None:
    """Roll back to an earlier generation.

    It stays live until the branch moves or an operator runs `reconciler resume`.
    """
    edges = context.permitted()
    finish(context, edges, roll_back(edges, generation, who()), json_output=json_output)


@click.command("rescue")
@as_json
@pass_context
def rescue_command(context: Context, *, json_output: bool) -> None:
    """Restore the files from before adoption.

    They stay live until an operator runs `reconciler resume`.
    """
    edges = context.permitted()
    finish(context, edges, rescue(edges, who()), json_output=json_output)
