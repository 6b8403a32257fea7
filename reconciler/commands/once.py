"""``reconciler once``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.commands.console import columns, say, say_all
from reconciler.commands.finish import finish
from reconciler.commands.options import as_json, pass_context
from reconciler.model.phase import Wake
from reconciler.passes import operator
from reconciler.passes.check import Memory
from reconciler.passes.record import Passed
from reconciler.passes.run import one_pass
from reconciler.trees.equality import by_level
from reconciler.trees.report import plan_lines

if TYPE_CHECKING:
    from reconciler.commands.console import Context
    from reconciler.passes.judge import Judged


@click.command("once")
@click.argument("rev", required=False)
@click.option("--adopt", is_flag=True, help="Adopt /etc/postfix first, if reconciler does not manage it yet.")
@as_json
@pass_context
def once_command(context: Context, rev: str | None, *, adopt: bool, json_output: bool) -> None:
    """Make one pass.

    With REV, also applies a commit that is in quarantine or that rewinds the branch. With --adopt, first shows what the
    branch changes on this host, as `reconciler plan` does.

    Exit status: 0 applied or nothing to do, 1 refused, 3 rolled back, 4 broken, 70 a bug in reconciler, 75 postponed,
    suspended, not adopted, or another pass is running.
    """
    edges, memory = context.permitted(), Memory()
    accepted = edges.repo.revision(rev) if rev else None
    refused = operator.adopt(edges, memory, None if json_output else _tell) if adopt else None
    passed = Passed(refused) if refused else one_pass(edges, memory, Wake.OPERATOR, accepted)
    finish(context, edges, passed, json_output=json_output)


def _tell(judged: Judged) -> None:
    implied = tuple(by_level(judged.plan, judged.understood.facts))
    say("adoption changes:\n")
    say_all(plan_lines(judged.plan, columns(), whole=True, implied=implied))
    say()
