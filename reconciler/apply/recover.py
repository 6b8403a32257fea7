"""Recover an interrupted pass, and start a master that died.

Promises: both hold the activation lock while they change something, so neither runs beside an activation.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.apply import companions
from reconciler.apply.activate import died, keep_running, live_path
from reconciler.apply.other_queue import take_along
from reconciler.host.programs import postfix
from reconciler.model import Unchanged
from reconciler.model.errors import ReconcilerError, WouldStop
from reconciler.model.phase import Halted, Suspended
from reconciler.state.locks import ACTIVATION_PATIENCE, packages_change
from reconciler.state.records import Conclusion, Step
from reconciler.state.source import SourceKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.apply.edges import Edges
    from reconciler.state.manifest import Generation
    from reconciler.state.records import Intent

# ---- what was cut short ----------------------------------------------------------------------------------------------


Permit = Callable[["Generation"], None]
"""Raises WouldStop if processes that start with the files of a generation would end what works."""


def recover(edges: Edges, *, asked: bool = False, permit: Permit = lambda _: None) -> Intent | None:
    """Undo an interrupted pass: make the old generation complete and live, and run Postfix if it ran before.

    Return the open intent, or None when no pass was interrupted. Only undoing is always safe; the next pass repeats the
    work. What took the place of /etc/postfix stays there in a pause, unless an operator *asked* for the change. What
    *permit* raises is raised before anything is changed, so that the next call begins as this one did.
    """
    generations = edges.generations
    intent = edges.journal.open_intent()
    if intent and intent.before and not generations.holds(intent.before):
        intent = None  # it is none of this host's; status shows it
    if generations.place_of_link.taken and (asked or _may_put_back(edges)):
        if live := generations.live():
            permit(live)
        _put_back(intent, edges)
    if generations.adopted and generations.live() is None:
        _heal(intent, edges, permit)
    if intent is None:
        return None
    if intent.before and generations.adopted and Step.SWAP in intent.steps:
        permit(generations.get(intent.before))
    edges.say("recover")
    with generations.locks.activation(), edges.host.spared():
        if intent.before and generations.adopted:
            _undo(intent, generations.get(intent.before), edges)
        elif intent.source.kind is SourceKind.ADOPTED:
            generations.unadopt()
        companions.release(edges)
    generations.sweep()
    return intent


def _heal(intent: Intent | None, edges: Edges, permit: Permit) -> None:
    """Make a generation live again where the live link leads to none.

    A Postfix that *permit* protects is not reloaded: what it has read is most likely that generation.
    """
    link = edges.generations.link
    with edges.generations.locks.activation(), edges.host.spared():
        if healed := edges.generations.heal():
            _tell(f"{link} led to no generation; generation {healed.number} is live again", intent, edges)
            if postfix.running(instance := edges.postfix()) is not None:
                with suppress(WouldStop):
                    permit(healed)
                    postfix.reload(edges.host, instance)


def _may_put_back(edges: Edges) -> bool:
    """Return whether the link to the configuration may come back now, as a hand edit would be reverted."""
    paused = isinstance(edges.journal.phase(), Suspended | Halted)
    return edges.generations.place_of_link.is_free or not (paused or edges.settings.drift_policy == "report")


def _put_back(intent: Intent | None, edges: Edges) -> None:
    """Restore the link to the configuration, and have Postfix read it."""
    with edges.generations.locks.activation(), edges.host.spared():
        _tell(edges.generations.place_of_link.put_back(), intent, edges)
        if edges.generations.live() and postfix.running(instance := edges.postfix()) is not None:
            postfix.reload(edges.host, instance)


def _undo(intent: Intent, before: Generation, edges: Edges) -> None:
    """Make the generation from before live, remove the newer ones, and run Postfix with it if it ran.

    Before the swap began, Postfix has read nothing else, so that nothing has to be read again.
    """
    restarting, newer = Step.RESTART in intent.steps, edges.postfix()
    _switch_back(before, intent.companions, edges, start=intent.ran and restarting)
    for generation in edges.generations.all():
        if intent.newest is not None and generation.number > max(intent.newest, before.number):
            edges.host.remove(generation.path)
    instance = edges.postfix()
    if newer.pid_file != instance.pid_file and postfix.running(newer) is not None:
        postfix.stop(edges.host, newer)  # another queue_directory: two masters would want the same ports
        postfix.start(edges.host, instance)
    elif postfix.running(instance) is None:
        if intent.ran and (restarting or died(instance, edges.host)):
            postfix.start(edges.host, instance)
    elif restarting:
        postfix.restart(edges.host, instance)  # it may run with settings that only a restart changes
    elif Step.SWAP in intent.steps:
        postfix.reload(edges.host, instance)
    take_along(newer, instance, edges.host)


def _tell(what: str, intent: Intent | None, edges: Edges) -> None:
    """Have it on record; during an interrupted pass a conclusion would close its intent too soon."""
    edges.say(what)
    if intent is None:
        edges.journal.conclude(Conclusion(outcome=Unchanged(), revision="", why=what))


def _switch_back(before: Generation, touched: Collection[str], edges: Edges, *, start: bool) -> None:
    """Make the old generation live, companions first; if the disk refuses, run Postfix anyway if it ran before."""
    try:
        edges.generations.companions.provide(before, before, edges.journal.touch, touched)
        if live_path(edges.generations) != before.path:
            edges.generations.switch(before)
        edges.generations.outer_links.settle(before)
    except OSError:
        if start or died(edges.postfix(), edges.host):
            keep_running(edges)
        raise


def revive(edges: Edges, patience: float = ACTIVATION_PATIENCE) -> bool:
    """Start a master that died; one that an administrator stopped stays stopped. Return whether it was started."""
    if not edges.generations.adopted or not died(instance := edges.postfix(), edges.host, edges.lived()):
        return False
    with edges.generations.locks.activation(patience):
        if not died(instance, edges.host, edges.lived()):  # another thread has started it
            return False
        edges.say("start Postfix, which had died")
        # It has run in the life of this daemon, with the files that are live.
        before = instance if edges.lived() and not edges.generations.drift() else None
        postfix.start(edges.host, instance, before)
    return True


def revive_beside(edges: Edges) -> bool:
    """Start a master that died while a pass runs that can't do so, for example because a program hangs.

    Does nothing beside an activation, which may just have stopped Postfix, or while dpkg is at work.
    """
    if packages_change():
        return False
    try:
        return revive(edges, patience=0.0)
    except (ReconcilerError, OSError):
        return False
