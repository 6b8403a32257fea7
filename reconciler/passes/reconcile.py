"""Reconcile: one pass from top to bottom, on one screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.apply.protocol import apply
from reconciler.host.facts import gather_again
from reconciler.model import Applied, Postponed, Refused, Unchanged
from reconciler.model.errors import ReconcilerError, WithFindings
from reconciler.passes.check import Checked, forget
from reconciler.passes.judge import LiveCommit, judge, permit, to_rehearse

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Outcome, Revision
    from reconciler.passes.check import Memory
    from reconciler.passes.judge import Judged


def reconcile(revision: Revision, edges: Edges, memory: Memory, *, restore: bool = True) -> Outcome:
    """Bring this host to *revision*, or leave it unchanged; without *restore*, hand edits stay."""
    try:
        live = LiveCommit(edges)
        checked = memory.recall(revision, edges)
        if checked is None:
            forget(edges, memory)
            checked = Checked(judge(revision, edges, live))
        memory.checked = checked
        if checked.judged.plan.empty or (checked.judged.restores and not restore):
            return Unchanged(checked.findings)
        if not checked.judged.restores:
            memory.checked = checked = replace(checked, judged=permit(checked.judged, live, edges.repo))
        outcome = apply(to_rehearse(checked.judged, live, edges), edges, checked.stage)
        memory.checked = checked = replace(checked, stage=None)  # the stage has become the generation
        if isinstance(outcome, Applied):
            memory.checked = replace(checked, judged=_settled(checked.judged, edges))
    except WithFindings as error:
        return Refused(error.findings)
    except (ReconcilerError, OSError) as error:
        return Postponed(str(error))
    else:
        return Applied((*checked.findings, *outcome.findings)) if isinstance(outcome, Applied) else outcome


def _settled(judged: Judged, edges: Edges) -> Judged:
    """Return what judge() would return for the same commit, now that it is live."""
    facts = gather_again(edges.host, edges.settings, judged.understood.facts, ask=False)
    return judged.when_live(edges.generations.read(judged.plan.target), facts)
