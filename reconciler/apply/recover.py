"""Recover an interrupted pass: make the old generation complete and live, and run Postfix if it ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.apply import companions
from reconciler.apply.activate import died, keep_running, live_path
from reconciler.host.programs import postfix
from reconciler.state.records import Step

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.apply.edges import Edges
    from reconciler.state.manifest import Generation
    from reconciler.state.records import Intent

# ---- what was cut short ----------------------------------------------------------------------------------------------


def recover(edges: Edges) -> Intent | None:
    """Undo an interrupted pass: make the old generation complete and live, and run Postfix if it ran before.

    Return the open intent, or None when no pass was interrupted. Only undoing is always safe; the next pass repeats the
    work.
    """
    generations = edges.generations
    if (healed := generations.heal()) and postfix.running(instance := edges.postfix()) is not None:
        edges.say(f"generation {healed.number} is live again: the live link was missing")
        postfix.reload(edges.host, instance)
    intent = edges.journal.open_intent()
    if intent is None:
        return None
    edges.say("recover")
    before = generations.get(intent.before) if intent.before else None
    if before and generations.adopted:
        restarting = Step.RESTART in intent.steps
        _switch_back(before, intent.companions, edges, start=intent.ran and restarting)
        for generation in generations.all():
            if intent.newest is not None and generation.number > intent.newest:
                edges.host.remove(generation.path)
        instance = edges.postfix()
        if postfix.running(instance) is None:
            if intent.ran and (restarting or died(instance, edges.host)):
                postfix.start(edges.host, instance)
        elif restarting:
            postfix.restart(edges.host, instance)  # it may run with settings that only a restart changes
        else:
            postfix.reload(edges.host, instance)
    companions.release(edges)
    generations.sweep()
    return intent


def _switch_back(before: Generation, touched: Collection[str], edges: Edges, *, start: bool) -> None:
    """Make the old generation live, companions first; if the disk refuses, run Postfix anyway if it ran before."""
    try:
        edges.generations.companions.provide(before, before, edges.journal.touch, touched)
        if live_path(edges.generations) != before.path:
            edges.generations.switch(before)
    except OSError:
        if start or died(edges.postfix(), edges.host):
            keep_running(edges)
        raise


def revive(edges: Edges) -> bool:
    """Start a master that died; one that an administrator stopped stays stopped. Return whether it was started."""
    if not edges.generations.adopted or not died(instance := edges.postfix(), edges.host):
        return False
    edges.say("start Postfix, which had died")
    postfix.start(edges.host, instance)
    return True
