"""One pass, top to bottom, on one screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.apply.protocol import apply
from reconciler.host import facts as fact
from reconciler.model import Applied, Postponed, Refused, Unchanged
from reconciler.model.errors import ReconcilerError, WithFindings
from reconciler.passes.judge import forget, judge, order, refuse
from reconciler.trees.plan import diff

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Outcome, Revision
    from reconciler.passes.judge import Judged, Memory


def reconcile(revision: Revision, edges: Edges, memory: Memory, *, restore: bool = True) -> Outcome:
    """Bring this host to *revision*, or leave it exactly as it was; without *restore*, hand edits stay."""
    try:
        judged = memory.recall(revision, edges)
        if judged is None:
            forget(edges, memory)
            memory.judged = judged = judge(revision, edges)
        if judged.plan.empty or (judged.restores and not restore):
            return Unchanged(judged.findings)
        if not judged.restores:
            refuse(judged, edges)
        outcome = apply(order(judged, edges), edges, judged.stage)
        judged.stage = None
        if isinstance(outcome, Applied):
            memory.judged = _settled(judged, edges)
    except WithFindings as error:
        return Refused(error.findings)
    except (ReconcilerError, OSError) as error:
        return Postponed(str(error))
    else:
        return Applied((*judged.findings, *outcome.findings)) if isinstance(outcome, Applied) else outcome


def _settled(judged: Judged, edges: Edges) -> Judged:
    """What judging the same commit again would find, now that it is live."""
    facts = fact.again(edges.host, edges.settings, judged.facts, ask=False)
    live = edges.generations.read(judged.plan.target)
    return replace(judged, facts=facts, live=live, plan=diff(live, live), restores=True)
