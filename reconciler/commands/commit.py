"""``reconciler set``, ``smart-host`` and ``site``: a commit on the branch, made on the host by the caller.

The commit is checked first, exactly as a push is, and then goes live like a push: through the daemon if it runs, else
by a pass of this command. A change without effect makes no commit. Exit status: as for `once`; 1 for a refused change,
64 for wrong usage.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from reconciler.commands.console import Context, columns, say, say_all, who
from reconciler.commands.finish import finish
from reconciler.commands.follow import follow
from reconciler.model.errors import Unavailable, WithFindings
from reconciler.model.phase import Wake
from reconciler.passes.check import Memory
from reconciler.passes.propose import Nothing, Proposal, Proposed
from reconciler.passes.run import one_pass
from reconciler.passes.standing import standing
from reconciler.trees.report import finding_lines, plan_lines, power_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from reconciler.apply.edges import Edges
    from reconciler.model import Revision
    from reconciler.model.finding import Told


# ---- the commit and its outcome --------------------------------------------------------------------------------------


def proposed_by_caller(subject: str, revised: Any, settled: Any = lambda _merged, _facts: False) -> Proposal:  # noqa: ANN401
    """Return a proposal whose author is the person who runs the command."""
    return Proposal(subject=subject, author=who(), revise=revised, settled=settled)


def commit(context: Context, make: Callable[[Edges], Proposed | Nothing], told: Sequence[str] = ()) -> None:
    """Make the commit, and print its outcome; *told* is the advice to print after it."""
    edges = context.permitted()
    known = standing(edges)  # of what is live before the daemon takes the commit
    try:
        proposed = make(edges)
    except WithFindings as error:
        say_all(finding_lines(error.findings, known))
        say("refused, no commit was made", err=True)
        sys.exit(1)
    if isinstance(proposed, Nothing):
        say("nothing would change: no commit was made")
        say_all(f"  {override}" for override in proposed.because)
        return
    _tell(proposed, edges, known)
    say_all(told)
    _bring(context, proposed.revision, edges)


def _tell(proposed: Proposed, edges: Edges, known: Collection[Told]) -> None:
    revision = proposed.revision
    say(f"{edges.settings.label}   {revision.short}  {revision.subject}\n")
    say_all(plan_lines(proposed.plan, columns(), whole=True))
    say_all(power_lines(proposed.powers))
    say_all(finding_lines(proposed.findings, known))
    say_all(f"  {override}" for override in proposed.overrides)
    say(f"\ncommitted to {edges.repo.branch}, in {proposed.where}")


def _bring(context: Context, revision: Revision, edges: Edges) -> None:
    """Follow the daemon's pass, as after a push; make a pass if no daemon runs."""
    try:
        follow(context, revision.oid)
    except Unavailable:
        finish(context, edges, one_pass(edges, Memory(), Wake.OPERATOR))
