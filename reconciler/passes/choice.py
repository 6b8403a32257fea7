"""Choose the revision that a pass brings the host to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.host.programs.postfix import running
from reconciler.model import Applied, Finding, Refused, RolledBack, Unchanged, Where
from reconciler.model.phase import Halted, Refusing, Suspended
from reconciler.passes.fetch import accepts
from reconciler.state.manifest import UNREADABLE

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Revision
    from reconciler.model.phase import Phase
    from reconciler.passes.record import Passed
    from reconciler.state.manifest import Generation

NOT_ADOPTED = "not adopted yet: look at `reconciler plan`, then `reconciler once --adopt`"
MOST_SUPERSEDED = 100


def wanted(tip: Revision | None, phase: Phase, edges: Edges, passed: Passed) -> Revision | None:
    """Return the revision to bring the host to; None, with the outcome set, when there is nothing to try."""
    live = edges.generations.live()
    live_oid = _revision_of(live, edges) if live else ""
    if tip is None:
        passed.revision = live_oid
        text = f"the branch {edges.repo.branch} does not exist; the live generation stays"
        passed.outcome = refused("branch-deleted", text, edges)
        return None
    passed.revision = tip.oid
    if isinstance(phase, Refusing):
        damaged = live is not None and live.source == UNREADABLE
        if (passed.edit.found.files or damaged) and live_oid:
            return edges.repo.revision(live_oid)
        passed.outcome, passed.quiet = Refused(_quarantine(tip, edges)), True
        return None
    if live_oid and not edges.repo.is_ancestor(live_oid, tip.oid) and not accepts(edges, tip.oid):
        text = (
            f"the branch was rewound or rewritten: {tip.short} is not a descendant of the live commit {live_oid[:7]};"
            f" if this is intended, run `reconciler once {tip.short}`"
        )
        passed.outcome = refused("branch-rewound", text, edges, lasting=True)
        return None
    return tip


def _revision_of(live: Generation, edges: Edges) -> str:
    """Return the commit of the live generation; without a readable manifest, the one that the journal has for it."""
    if live.source != UNREADABLE:
        return live.revision
    passes = (one for one in edges.journal.conclusions() if isinstance(one.outcome, Applied) and one.about)
    return next((one.revision for one in passes if one.about and one.about.generation == live.number), "")


def _quarantine(tip: Revision, edges: Edges) -> tuple[Finding, ...]:
    """Return why a commit is quarantined: the findings that refused it, or that an operator rolled it back."""
    last = edges.journal.last(tip.oid)
    if last and isinstance(last.outcome, Refused | RolledBack):
        return last.outcome.findings
    text = f"{tip.short} is quarantined because it was rolled back; run `reconciler once {tip.short}` to try it again"
    where = Where(f"refs/heads/{edges.repo.branch}")
    return (Finding(rule="quarantined", where=where, text=text, subject=tip.oid),)


def refused(rule: str, text: str, edges: Edges, *, lasting: bool = False) -> Refused:
    """Return the refusal of a branch that no commit can be taken from."""
    where = Where(f"refs/heads/{edges.repo.branch}")
    return Refused((Finding(rule=rule, where=where, text=text, subject=edges.repo.branch, lasting=lasting),))


def is_live(revision: Revision, edges: Edges) -> bool:
    """Whether the host was brought to that revision already, with or without a change."""
    last = edges.journal.last(revision.oid)
    return last is not None and isinstance(last.outcome, Applied | Unchanged)


def passed_over(revision: Revision, edges: Edges) -> list[Revision]:
    """Return the commits between the last pass and *revision* that no pass was made for, at most MOST_SUPERSEDED."""
    last = edges.journal.last()
    if last is None or not last.revision or last.revision == revision.oid:
        return []
    return edges.repo.between(last.revision, revision.oid)[:MOST_SUPERSEDED]


def is_paused(phase: Phase, tip: Revision | None, edges: Edges) -> bool:
    """Return whether no pass is made in this phase, for the *tip* of the branch.

    Where rolling back failed, each later commit is tried once while Postfix runs: it may be the repair.
    """
    if not isinstance(phase, Halted):
        return isinstance(phase, Suspended)
    is_new = tip is not None and edges.journal.last(tip.oid) is None
    return not is_new or running(edges.postfix()) is None


def why_paused(phase: Suspended | Halted) -> str:
    """Return why no pass is made in this phase."""
    return f"suspended by {phase.who}: {phase.why}" if isinstance(phase, Suspended) else f"halted: {phase.reason}"
