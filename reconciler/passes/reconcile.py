"""Reconcile: one pass from top to bottom, on one screen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reconciler.apply.protocol import apply
from reconciler.model import Applied, Postponed, Refused, Unchanged
from reconciler.model.errors import Incomplete, ReconcilerError, WithFindings
from reconciler.passes.blame import excused
from reconciler.passes.check import Checked, forget, permitted
from reconciler.passes.isolation import Isolation
from reconciler.passes.judge import LiveCommit, judge, to_rehearse
from reconciler.passes.next_start import raise_if_it_stops
from reconciler.passes.recovery import stopping
from reconciler.passes.understand import asked_again

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Outcome, Revision
    from reconciler.passes.apart import Apart
    from reconciler.passes.check import Memory
    from reconciler.passes.judge import Judged


def reconcile(revision: Revision, edges: Edges, memory: Memory, *, restore: bool = True) -> Outcome:
    """Bring this host to *revision*, or leave it unchanged; without *restore*, hand edits stay."""
    live = LiveCommit(edges)

    def attempt(apart: Apart) -> Outcome:
        checked = None if apart.kept else _recalled(revision, edges, memory, live)
        if checked is None:
            forget(edges, memory)
            checked = Checked(judge(revision, edges, live, apart=apart))
        memory.checked = checked
        if not _accepted(checked.judged, live, edges):
            memory.checked = checked = permitted(checked, live, edges)
        kept = checked.judged.apart.kept
        if checked.judged.plan.empty or (checked.judged.restores and not restore):
            return Unchanged(checked.findings, kept)
        if checked.judged.restores:
            raise_if_it_stops(checked.judged.findings, checked.judged.plan.steps, live.answering)
        order = to_rehearse(checked.judged, live, edges)
        allow = partial(excused, before=live.generation, allow=order.allow, edges=edges)
        order = replace(order, stopping=partial(stopping, edges=edges), allow=allow)
        outcome = apply(order, edges, checked.stage)
        memory.checked = checked = replace(checked, stage=None)  # the stage has become the generation
        if not isinstance(outcome, Applied):
            return outcome
        memory.checked = replace(checked, judged=_settled(checked.judged, edges))
        return replace(outcome, findings=(*checked.findings, *outcome.findings), left_out=kept)

    try:
        return Isolation(revision, edges, live).run(attempt)
    except Incomplete as error:
        return Postponed(error.reason)
    except WithFindings as error:
        return Refused(error.findings)
    except (ReconcilerError, OSError) as error:
        return Postponed(str(error))


def _recalled(revision: Revision, edges: Edges, memory: Memory, live: LiveCommit) -> Checked | None:
    """Return the stored check of a commit; one at rest can't be permitted again, and need not be if it was accepted."""
    checked = memory.recall(revision, edges)
    return None if checked and checked.resting and not _accepted(checked.judged, live, edges) else checked


def _accepted(judged: Judged, live: LiveCommit, edges: Edges) -> bool:
    """Return whether the commit was accepted before and its files are live, so that no fault of it is news."""
    if not judged.restores:
        return False
    endings = (conclusion.outcome for conclusion in edges.journal.conclusions(judged.revision.oid))
    return live.is_made_of(judged.revision) or any(isinstance(ending, Applied | Unchanged) for ending in endings)


def _settled(judged: Judged, edges: Edges) -> Judged:
    """Return what judge() would return for the same commit, now that it is live."""
    facts = asked_again(judged.understood.facts, edges, ask=False)
    return judged.when_live(edges.generations.read(judged.plan.target), facts)
