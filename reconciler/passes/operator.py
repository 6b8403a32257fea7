"""Carry out the operator's commands: adopt, roll back, rescue, suspend, resume."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from reconciler.apply.activate import died, go_live
from reconciler.apply.protocol import apply
from reconciler.apply.recover import recover
from reconciler.apply.stage import Order
from reconciler.host.programs import postfix
from reconciler.model import Activation, Applied, Broken, Postponed, Refused, Unchanged, errors_in
from reconciler.model.errors import ReconcilerError, Unavailable, WouldStop
from reconciler.model.phase import Halted, Suspended, Wake, next_phase, probation_of, quarantined, resumed
from reconciler.passes.check import check
from reconciler.passes.choice import NOT_ADOPTED, refused, why_paused
from reconciler.passes.judge import raise_if_files_stop
from reconciler.passes.mail_taken import after_return
from reconciler.passes.placed import at_source
from reconciler.passes.record import Passed, concluded
from reconciler.passes.recovery import stopping
from reconciler.state.locks import PATIENCE, RETURN_PATIENCE
from reconciler.state.manifest import UNREADABLE, intact, with_todays_secrets
from reconciler.state.records import Intent
from reconciler.state.source import Source, SourceKind
from reconciler.trees.plan import diff

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from reconciler.apply.edges import Edges
    from reconciler.model import Outcome, Tree
    from reconciler.model.phase import Phase
    from reconciler.passes.check import Memory
    from reconciler.passes.judge import Judged
    from reconciler.state.manifest import Generation


class NotPossible(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator asked for something that this host can't do now; the text says why."""


# ---- the operator's ways ---------------------------------------------------------------------------------------------


def adopt(edges: Edges, memory: Memory, tell: Callable[[Judged], None] | None = None) -> Outcome | None:
    """Take the configuration directory over, byte for byte, if the commit passes its check. Return None on success.

    Before that, *tell* gets what the commit will change.
    """
    try:
        with edges.generations.locks.state():
            recover(edges, asked=True)
            if edges.generations.adopted:
                return None
            edges.generations.place_of_link.require_adoptable()
            tip = edges.repo.tip()
            if tip is None:
                return refused("branch-deleted", f"there is no branch {edges.repo.branch}", edges)
            checked = check(tip, edges, memory)
            if tell:
                tell(checked.judged)
            plan = checked.judged.plan
            edges.journal.intend(Intent(revision="", source=Source(SourceKind.ADOPTED), ran=False))
            if plan.empty:  # the host is as the commit says, so what is adopted is the commit
                edges.generations.adopt(plan.target, tip.oid)
            else:
                edges.generations.adopt()
            edges.journal.conclude(concluded(Unchanged(), "", edges, Wake.OPERATOR, why="adopted"))
    except ReconcilerError as error:
        findings = getattr(error, "findings", None)
        return Refused(findings) if findings else Postponed(str(error))
    except OSError as error:
        return Postponed(str(error))
    return None


def roll_back(edges: Edges, number: int | None, who: str) -> Passed:
    """Make a new generation from an old one's files, and stay there until the branch moves or `resume` is run."""
    _put_back(edges)
    live, known = _adopted(edges), edges.generations.all()
    if number is None:
        number = next((old.number for old in known if old.number < live.number and not old.tainted), -1)
    old = next((generation for generation in known if generation.number == number), None)
    if old is None:
        raise NotPossible(f"generation {number} does not exist; `ls {edges.generations.folder}` lists the generations")
    if old.source == UNREADABLE:
        raise NotPossible(f"generation {old.number} can't be rolled back to, because its manifest can't be read")
    if not intact(old):
        raise NotPossible(
            f"generation {old.number} was edited while it was live; it is kept as evidence and can't be rolled back to"
        )
    target = edges.generations.with_maps(with_todays_secrets(old.owned(), live.owned()), old.root)
    _raise_if_mail_stops(target, edges)
    return _go_back(edges, target, Source(SourceKind.ROLLBACK, number=old.number), who)


def _raise_if_mail_stops(target: Tree, edges: Edges) -> None:
    """Raise NotPossible if Postfix works now, and would stop to work by the start of new processes."""
    try:
        raise_if_files_stop(target, diff(edges.generations.read(target), target).steps, edges)
    except WouldStop as error:
        anyway = "to roll back all the same, run `postfix stop` before and `postfix start` afterwards"
        raise NotPossible(f"{error.reason}; {anyway}") from error


def rescue(edges: Edges, who: str) -> Passed:
    """Restore the state from before adoption, and stay there until `resume` is run.

    It works without any generation, and without the state directory: the backup holds the files as well.
    """
    _put_back(edges)
    if not edges.generations.lost:
        _adopted(edges)
    return _go_back(edges, edges.generations.rescue_tree(), Source(SourceKind.RESCUE), who)


def _put_back(edges: Edges) -> None:
    """Restore the link to the configuration, where something took its place."""
    if edges.generations.place_of_link.taken:
        with edges.generations.locks.state(RETURN_PATIENCE):
            recover(edges, asked=True)


def _adopted(edges: Edges) -> Generation:
    live = edges.generations.live()
    if live is None:
        raise Unavailable(edges.generations.lost or NOT_ADOPTED)
    return live


def _go_back(edges: Edges, target: Tree, source: Source, who: str) -> Passed:
    """Make *target* live unchecked, and suspend; this needs no repository, and starts a Postfix that died."""
    began = time.monotonic()
    try:
        with edges.generations.locks.state(RETURN_PATIENCE):
            recover(edges, asked=True)
            live = edges.generations.live()
            outcome = _applied(target, source, edges) if live else _restored(source, who, edges)
            outcome = at_source(outcome, live, edges)
            passed = Passed(outcome, seconds=time.monotonic() - began)
            why = f"{source} by {who}"
            passed.conclusion = concluded(outcome, "", edges, Wake.OPERATOR, seconds=passed.seconds, why=why)
            # Before the conclusion: if killed in between, recovery undoes it and the host stays suspended.
            if isinstance(outcome, Applied):
                edges.journal.set_phase(_staying(edges, source, who, live.revision if live else ""))
            elif isinstance(outcome, Broken):
                edges.journal.set_phase(next_phase(edges.journal.phase(), outcome, ""))
            edges.journal.conclude(passed.conclusion)
            edges.generations.prune()
            after_return(passed, edges)
    except (ReconcilerError, OSError) as error:
        return Passed(Postponed(str(error)), seconds=time.monotonic() - began)
    return passed


def _applied(target: Tree, source: Source, edges: Edges) -> Outcome:
    plan = diff(edges.generations.read(target), target)
    order = Order(
        plan=plan, revision="", source=source, committed_at=time.time(), trusted=True,
        stopping=partial(stopping, edges=edges),
    )  # fmt: skip
    return apply(order, edges)


def _restored(source: Source, who: str, edges: Edges) -> Outcome:
    """Make the files from before adoption live where no generation is left; there is nothing to undo it with."""
    if source.kind is not SourceKind.RESCUE:
        raise Unavailable(edges.generations.lost or NOT_ADOPTED)
    edges.journal.intend(Intent(revision="", source=source, ran=False))
    edges.journal.set_phase(_staying(edges, source, who, ""))  # also if this is killed before the end
    generation = edges.generations.restore()
    instance = edges.postfix()
    ran = postfix.running(instance) is not None or died(instance, edges.host)
    step = Activation.RESTART if ran else Activation.NOTHING
    findings = go_live(generation, step, instance, edges).findings
    return Broken(findings) if errors_in(findings) else Applied(findings)


def _staying(edges: Edges, source: Source, who: str, left: str) -> Suspended:
    """Return the suspension that follows: after a rollback until the branch moves, after a rescue until `resume`."""
    try:
        tip = edges.repo.tip()
    except ReconcilerError:
        tip = None
    oid = tip.oid if tip else ""
    kept = oid if left == oid else quarantined(edges.journal.phase())
    return Suspended(str(source), who, tip="" if source.kind is SourceKind.RESCUE else oid, quarantined=kept)


def suspend(edges: Edges, why: str, who: str, until: datetime | None) -> Phase:
    """Change nothing until the given time, or until `resume` is run."""
    with edges.generations.locks.state(PATIENCE):
        phase = edges.journal.phase()
        if isinstance(phase, Halted):
            raise NotPossible(f"{why_paused(phase)}; check the host, then run `reconciler resume`")
        waiting = probation_of(phase)
        edges.journal.set_phase(Suspended(why, who, until, quarantined=quarantined(phase), probation=waiting))
    return edges.journal.phase()


def resume(edges: Edges) -> tuple[Phase, Phase]:
    """End a suspension, or a halt whose cause an operator has fixed; return the phases before and after."""
    with edges.generations.locks.state(PATIENCE):
        ended = edges.journal.phase()
        edges.journal.set_phase(resumed(ended))
    return ended, edges.journal.phase()
