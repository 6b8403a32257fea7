"""THE DANGEROUS FILE: the only one that changes what Postfix reads. Its code follows the order of the apply protocol.

    intend -> stage -> check -> rehearse -> place -> swap -> activate -> verify, or undo

Promises: before the swap no live byte has changed; after it, either the new generation answers or the old one is live
again. After a kill at any point, recover() leaves one of the two generations complete and live, and Postfix running if
it ran before. Raises CheckFailed before the swap, and Unavailable, CommandFailed or OSError when the protocol itself
fails, always with the old generation live; every result after the swap is an Outcome.

Known limit: a foreign file that is written in the instant of the rename is carried over one pass late.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.apply import companions
from reconciler.apply.activate import NO_WITNESS, Witness, died, go_live, keep_running, live_path, witness
from reconciler.apply.requeue import requeue, rerouted
from reconciler.apply.stage import Staged, stage_and_check
from reconciler.host.programs import postfix
from reconciler.model import Activation, Applied, Broken, Finding, Postponed, RolledBack, errors_in
from reconciler.model.errors import Unavailable
from reconciler.postfix.places import SourcePlaces
from reconciler.state.records import Intent, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.apply.edges import Edges
    from reconciler.apply.stage import Order
    from reconciler.apply.verify import Verified
    from reconciler.model import Outcome
    from reconciler.state.manifest import Generation, Stage

_ATTEMPTS = 3


# ---- the protocol ----------------------------------------------------------------------------------------------------


def apply(order: Order, edges: Edges, stage: Stage | None = None) -> Outcome:
    """Make *order* live, or leave the host as it was. *stage* is a stage that was checked already."""
    generations, journal = edges.generations, edges.journal
    before = generations.live()
    if before is None:
        raise Unavailable(f"{generations.config_directory} is not adopted yet; run `reconciler once --adopt`")
    instance = edges.postfix()
    ran = postfix.running(instance) is not None or died(instance, edges.host)
    newest = max(one.number for one in generations.all())
    intent = Intent(revision=order.revision, source=order.source, before=before.path, newest=newest, ran=ran)
    journal.intend(intent)

    edges.say("staged and checked" if stage else "stage and check")
    staged = _undisturbed(order, edges, stage)
    step = order.plan.steps[0] if ran and order.plan.steps else Activation.NOTHING
    known = _known(order, staged, step, edges)
    with edges.generations.locks.activation(), edges.host.spared():
        after = _placed(order, before, staged, edges)
        rows = rerouted(order.plan)  # before the swap, because it reads the live files
        silent = generations.companions.silent(before)
        doubts = companions.provide(before, after, order.origin, edges)
        if errors_in(doubts):
            return _undo(_Undo(before, after, Activation.NOTHING, silent, known), doubts, edges)
        edges.say(f"swap and {step.value}" if step is not Activation.NOTHING else "swap")
        verified = go_live(after, step, instance, edges, known)
        verified = replace(verified, findings=tuple(order.allow(list(verified.findings))))
        if errors_in(verified.findings):
            if live_path(generations) != before.path:
                return _taken_back(_Undo(before, after, step, silent, known), verified, order, edges)
            companions.back(before, after, edges)
            raise Unavailable(verified.findings[0].text)  # the rename failed, so nothing has changed
    left = requeue(rows, verified.instance, edges.host)
    with edges.host.spared():
        left += companions.release(edges)
    return Applied((*staged.doubts, *doubts, *verified.findings, *left), verified=verified.told)


def _known(order: Order, staged: Staged, step: Activation, edges: Edges) -> Witness:
    """Ask Postfix what it answers now, if it will be asked again; what was live before only has to answer as it did."""
    if step is Activation.NOTHING:
        return replace(NO_WITNESS, places=order.places(edges))
    known = witness(staged.stage.root, order.places(edges), edges, recipients=not order.trusted)
    return replace(known, confirmed=order.confirmed)


def _placed(order: Order, before: Generation, staged: Staged, edges: Edges) -> Generation:
    """Give the stage its number, and record that the swap begins; after an error, nothing of it is left."""
    generations, made = edges.generations, staged.stage.folder
    try:
        after = generations.place(staged.stage, order.plan.target, order.revision, order.source, order.deviations)
        made = after.path
        generations.outer_links.bring_in(before)
        if generations.drift():
            generations.taint(before)
        edges.journal.step(Step.SWAP)
    except OSError:
        with suppress(OSError):  # the first error is the one to report
            edges.host.remove(made)
        raise
    return after


def _undisturbed(order: Order, edges: Edges, stage: Stage | None) -> Staged:
    """Return a stage with the foreign files that are live right now; it is staged again after an edit meanwhile."""
    staged = Staged(stage) if stage else None
    for _ in range(_ATTEMPTS):
        staged = staged or stage_and_check(order, edges, "pass")
        if not edges.generations.foreign_changed(staged.stage, order.plan.target):
            return staged
        edges.host.remove(staged.stage.folder)
        staged = None
    raise Unavailable(f"{edges.generations.config_directory}: another process keeps changing files in it")


@dataclass(frozen=True, slots=True)
class _Undo:
    """What an undo goes back to and from; *silent* companions may stay silent, *known* is what Postfix answered."""

    before: Generation
    after: Generation
    step: Activation
    silent: Collection[str] = ()
    known: Witness = NO_WITNESS


def undo(before: Generation, after: Generation, step: Activation, findings: Iterable[Finding], edges: Edges) -> Outcome:
    """Point the link at *before* again and activate Postfix, which is started if it died; keep the failed generation.

    Companions are restored first, and those that *before* does not use stop last.
    """
    known = witness(before.root, SourcePlaces(), edges, recipients=False)
    with edges.generations.locks.activation(), edges.host.spared():
        return _undo(_Undo(before, after, step, known=known), findings, edges)


def _taken_back(back: _Undo, verified: Verified, order: Order, edges: Edges) -> Outcome:
    """Undo what failed, unless that would end what works; a commit that only this host kept from going live waits."""
    failing = [one.subject for one in errors_in(verified.findings)]
    if back.step is not Activation.NOTHING and (worse := order.stopping(back.before, failing)):
        return Broken((*worse, *verified.findings))
    if verified.unread:
        back = replace(back, step=Activation.NOTHING)
    outcome = _undo(back, verified.findings, edges)
    if verified.unable and isinstance(outcome, RolledBack):
        return Postponed(f"{errors_in(outcome.findings)[0].text}; what was live before is live again")
    return outcome


def _undo(back: _Undo, findings: Iterable[Finding], edges: Edges) -> Outcome:
    edges.say("roll back")
    with suppress(OSError):  # recover() works with and without it
        edges.journal.step(Step.UNDO)
    lost = companions.restore(back.before, back.after, back.silent, edges)
    # master(8) throttles a service that died for a minute, even across a reload; only a new master serves at once.
    again = back.step if back.step is Activation.NOTHING else Activation.RESTART
    # Whether each listener answers, as far as it did; what goes wrong now is none of the commit's changes.
    places = replace(back.known.places, changed=None)
    known = Witness(before=back.known.before, places=places, faults=back.known.faults)
    verified = go_live(back.before, again, edges.postfix(), edges, known)
    if live_path(edges.generations) != back.before.path:  # the disk refused the rename, perhaps only for a moment
        verified = go_live(back.before, again, verified.instance, edges, known)
    problems = errors_in(verified.findings)
    if problems and again is not Activation.NOTHING:
        keep_running(edges)
    edges.generations.taint(back.after)
    lost += companions.release(edges)
    problems += errors_in(lost)
    return Broken((*problems, *findings)) if problems else RolledBack((*findings, *lost))
