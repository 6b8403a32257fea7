"""Place the findings of an outcome in the commit that Postfix ran with, where the outcome was made without a commit.

A rollback, a rescue, a probation and a renewed certificate need no repository. So their findings are placed afterwards,
once mail flows again; without a readable commit they keep their places on this host. Raises nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Applied, Broken, RolledBack, Unchanged
from reconciler.model.errors import ReconcilerError
from reconciler.passes.apart import commit_of
from reconciler.passes.understand import understand
from reconciler.postfix.places import SourcePlaces
from reconciler.trees.plan import diff

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Contribution, Outcome, Where
    from reconciler.state.manifest import Generation


def at_source(outcome: Outcome, ran: Generation | None, edges: Edges, *, is_cause: bool = False) -> Outcome:
    """Return the outcome with its findings in the commit of the generation *ran*; called once mail flows again.

    If that commit *is_cause*, what names nothing is blamed on its only change.
    """
    if not isinstance(outcome, Applied | Unchanged | RolledBack | Broken) or not outcome.findings:
        return outcome
    oid, kept = commit_of(ran, edges)
    if ran is None or not oid:
        return outcome
    try:
        desired, _, merged = understand(edges.repo.revision(oid), edges, kept)
    except (ReconcilerError, OSError, ValueError):
        return outcome
    changed = _changed(ran, merged, edges) if is_cause else None
    places = SourcePlaces(merged, str(edges.settings.config_directory), desired.home, changed)
    return replace(outcome, findings=tuple(places.of_all(outcome.findings)))


def _changed(ran: Generation, merged: Contribution, edges: Edges) -> Where | None:
    """Return the only place in which a generation differs from the one before it that is of another commit."""
    older = (one for one in edges.generations.all() if one.number < ran.number and one.revision != ran.revision)
    before = next(older, None)
    return diff(before.owned(), ran.owned(), merged).place if before else None
