"""Check a commit: judge it, stage it, have Postfix's programs read it, rehearse it; keep the result for the pass.

Promises: check(), which the pre-receive hook and the commands use as well, touches nothing live. Raises what judge()
and permit() raise, and Unavailable, CommandFailed or OSError when the check itself can't be carried out.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.apply.stage import stage_and_check
from reconciler.model import Contribution, Desired, errors_in, listed
from reconciler.passes.isolation import Isolation, brought_by
from reconciler.passes.judge import LiveCommit, judge, may_rehearse, permit, rules_now, to_rehearse
from reconciler.passes.understand import Understood, asked_again, right_names
from reconciler.rehearsal.rehearse import ahead

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Finding, Revision
    from reconciler.passes.apart import Apart
    from reconciler.passes.judge import Judged
    from reconciler.state.manifest import Stage

_NOTHING = Desired(sections={}, tables={}, services=(), secrets={}, places={})


@dataclass(frozen=True, slots=True)
class Checked:
    """A judged commit and the result of its check: its *stage*, its *doubts*, and whether it was *rehearsed*.

    A commit that was only judged has neither a stage nor doubts. One that is live and *resting* has nothing but what a
    pass with nothing to do looks at: its facts, its findings and the names of its files.
    """

    judged: Judged
    stage: Stage | None = None
    doubts: tuple[Finding, ...] = ()
    rehearsed: bool = False
    resting: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the commit and of its check, as they are shown and recorded."""
        return listed((*self.judged.findings, *self.doubts))

    def at_rest(self) -> Checked:
        """Return the same without what the commit says, which takes most of the memory.

        That is so if the commit is live and nothing in it depends on the moment: else recall() asks what it says.
        """
        judged, plan = self.judged, self.judged.plan
        if self.resting or self.stage or not plan.empty or not judged.restores:
            return self
        if any(not one.lasting for one in self.findings):
            return self
        order = replace(judged.order, plan=replace(plan, target=plan.live), origin=Contribution(), allow=list)
        understood = Understood(_NOTHING, judged.understood.facts, order.origin)
        return replace(self, judged=replace(judged, understood=understood, order=order), resting=True)


class Memory:
    """The last commit that was checked; it is valid while the facts and the live tree stay as they were."""

    def __init__(self) -> None:
        self.checked: Checked | None = None

    def recall(self, revision: Revision, edges: Edges) -> Checked | None:
        """Return the stored check of that commit, if it is still valid; None otherwise."""
        known = self.checked
        if known is None or known.judged.revision.oid != revision.oid:
            return None
        if known.judged.rules != rules_now(edges.settings):
            return None
        if any(not error.lasting for _, error in known.judged.apart.errors):
            return None  # the site is tried again
        if known.stage and not known.stage.root.is_dir():
            return None  # a failed pass has used it, or a recovery has removed it
        plan, before = known.judged.plan, known.judged.understood.facts
        of_now = any(not one.lasting for one in known.findings)  # a server may answer again
        right = right_names(known.judged.understood.desired, edges)
        facts = asked_again(before, edges, ask=of_now or not plan.empty, known=[right])
        live = edges.generations.read(plan.target)
        if facts != before or edges.generations.drift():
            return None
        if live == plan.live:
            return known
        if live != plan.target or known.stage:
            return None
        return replace(known, judged=known.judged.when_live(live, facts))  # the commit went live; nothing else differs

    def rest(self) -> None:
        """Keep only what recall() needs, if the commit is live."""
        self.checked = self.checked.at_rest() if self.checked else None


def check(
    revision: Revision, edges: Edges, memory: Memory, *, stage: bool = True, base: Revision | None = None
) -> Checked:
    """Do everything up to the swap without touching anything live, and remember the result for the pass.

    Without *stage*, which needs root, Postfix's own programs do not read the commit. An error of a site that is the
    same in *base*, the commit before the push, leaves the site out; every other error refuses the commit.
    """
    checked = memory.recall(revision, edges)
    if checked is None or not (checked.stage or checked.rehearsed or _is_nothing(checked)):
        live = LiveCommit(edges)
        forget(edges, memory)
        isolation = Isolation(revision, edges, live, brought_by(revision, base, edges))
        # By the time that the commit is judged, the program waits for what it is to play.
        with ahead(edges.host) if stage and may_rehearse(edges) else nullcontext():
            checked = isolation.run(lambda apart: _checked(revision, edges, live, apart, stage=stage))
    memory.checked = checked
    return checked


def _is_nothing(checked: Checked) -> bool:
    """Return whether the commit changes nothing on this host and is free of errors; a pass remembers others as well."""
    return checked.judged.plan.empty and not errors_in(checked.findings)


def _checked(revision: Revision, edges: Edges, live: LiveCommit, apart: Apart, *, stage: bool) -> Checked:
    judged = permit(judge(revision, edges, live, apart=apart), live, edges.repo)
    wanted = stage and (judged.understood.flows or not judged.plan.empty)
    return _staged(judged, live, edges) if wanted else Checked(judged)


def permitted(checked: Checked, live: LiveCommit, edges: Edges) -> Checked:
    """Return a judged commit if it may go live; raise what permit() raises if not.

    If nothing would change, no later step plays its flows, so they are played here.
    """
    judged = permit(checked.judged, live, edges.repo)
    if judged.plan.empty and judged.understood.flows and not checked.rehearsed:
        return _staged(judged, live, edges)
    return replace(checked, judged=judged)


def _staged(judged: Judged, live: LiveCommit, edges: Edges) -> Checked:
    """Stage the commit, have it read, and rehearse it; if nothing would change, only its flows are of interest."""
    revision, unchanged = judged.revision, judged.plan.empty
    order = replace(to_rehearse(judged, live, edges), trusted=judged.restores and not unchanged)
    staged = stage_and_check(order, edges, f"check-{revision.short}-{time.monotonic_ns()}")
    if unchanged:
        edges.host.remove(staged.stage.folder)
    return Checked(judged, None if unchanged else staged.stage, staged.doubts, staged.rehearsed)


def forget(edges: Edges, memory: Memory) -> None:
    """Drop the remembered check and remove its stage."""
    if memory.checked and memory.checked.stage:
        edges.host.remove(memory.checked.stage.folder)
    memory.checked = None
