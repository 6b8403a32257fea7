"""``reconciler plan``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.commands.check import folder_as_commit
from reconciler.commands.console import Context, columns, say, say_all, say_bug, say_cut
from reconciler.commands.contract import change_line, override_line, power_line
from reconciler.commands.exit_status import status_without
from reconciler.commands.options import as_json, pass_context, show_all, wanted_revision
from reconciler.desired.overrides import overridden
from reconciler.model.errors import WithFindings
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.isolation import Isolation
from reconciler.passes.judge import LiveCommit, judge, permit
from reconciler.passes.standing import standing
from reconciler.state.records import finding_line
from reconciler.trees.changes import totals
from reconciler.trees.equality import by_level
from reconciler.trees.report import finding_lines, plan_lines, power_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reconciler.model.finding import Told


@click.command("plan")
@click.argument("rev", required=False)
@click.option(
    "--tree", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Plan a folder instead of a commit."
)
@show_all
@as_json
@pass_context
def plan_command(context: Context, rev: str | None, *, tree: Path | None, whole: bool, json_output: bool) -> None:
    r"""Show what a commit or a folder would change.

    Compares it, or the tip of the branch, with the live state: first what is treated differently, then what is the same
    and only written differently, then defaults that are written out or left out. Each line ends with the place in the
    desired state that makes it. Warnings that are true of what is live as well are only counted.

    Exit status: 0 no changes, 2 changes, 1 refused, 70 a bug in reconciler.

    \b
    Examples:
      reconciler plan                the tip of the branch
      reconciler plan --tree .       a clone on this host, before you commit
      reconciler plan --all          with long values and all warnings, also on a terminal
    """
    if rev and tree:
        raise click.UsageError("give a commit or --tree, not both")
    edges = context.edges()
    edges, revision = folder_as_commit(edges, tree) if tree else (edges, wanted_revision(edges, rev))
    known = () if whole else standing(edges)
    try:
        with internal_errors():
            live = LiveCommit(edges)
            isolation = Isolation(revision, edges, live)
            judged = isolation.run(lambda apart: permit(judge(revision, edges, live, apart=apart), live, edges.repo))
    except WithFindings as error:
        say_bug(error)
        _findings_or_json(error.findings, known, json_output=json_output)
        sys.exit(status_without(error))
    plan, findings = judged.plan, judged.findings
    implied = tuple(by_level(plan, judged.understood.facts))
    overrides = overridden(judged.understood.desired, judged.understood.facts)
    if json_output:
        changes = [change_line(change) for change in plan.changes]
        shown = {"revision": revision.oid, "changes": changes, "steps": list(plan.steps),
                 "overrides": [override_line(override) for override in overrides],
                 "left_out": dict(judged.apart.kept), "totals": totals(plan.changes),
                 "implied": [change_line(change) for change in implied],
                 "powers": [power_line(power) for power in judged.powers]}  # fmt: skip
        click.echo(json.dumps(shown | {"findings": [finding_line(finding) for finding in findings]}))
    else:
        say(f"{'   '.join(filter(None, (context.settings.label, revision.short)))}  {revision.subject}\n")
        say_cut(lambda full: plan_lines(plan, columns(), whole=full, implied=implied), whole=whole)
        say_all(power_lines(judged.powers))
        say_all(("", *finding_lines(findings, known)) if findings else ())
        say_all(map(str, overrides))
    sys.exit(2 if plan.changes else 0)


def _findings_or_json(findings: Sequence[Any], known: Collection[Told], *, json_output: bool) -> None:
    if json_output:
        click.echo(json.dumps({"findings": [finding_line(finding) for finding in findings]}))
    else:
        say_all(finding_lines(findings, known))
