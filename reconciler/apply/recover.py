"""What was cut short: the old generation whole and live, and Postfix running if it ran."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.apply import companions
from reconciler.apply.activate import died, keep_running, live_path
from reconciler.host.programs import postfix
from reconciler.model import Activation
from reconciler.state.companions import STEP

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.apply.edges import Edges
    from reconciler.state.journal import Line
    from reconciler.state.manifest import Generation

# ---- what was cut short ----------------------------------------------------------------------------------------------


def recover(edges: Edges) -> Line | None:
    """Finish what a killed pass left: the old generation whole and live, and Postfix running if it ran.

    Answers the intent that was open, or None when nothing was cut short. To undo is the one way that is always safe:
    the next pass does it all again.
    """
    generations = edges.generations
    if (healed := generations.heal()) and postfix.running(instance := edges.postfix()) is not None:
        edges.say(f"generation {healed.number} is live again: the live link was gone")
        postfix.reload(edges.host, instance)
    intent = edges.journal.open_intent()
    if intent is None:
        return None
    edges.say("recover")
    before = generations.get(Path(intent["before"])) if intent.get("before") else None
    if before and generations.adopted:
        restarting = Activation.RESTART in intent["steps"]
        touched = {step.removeprefix(STEP) for step in intent["steps"] if step.startswith(STEP)}
        _switch_back(before, touched, edges, start=intent["ran"] and restarting)
        for generation in generations.all():
            if generation.number > intent["newest"]:
                edges.host.remove(generation.path)
        instance = edges.postfix()
        if postfix.running(instance) is None:
            if intent["ran"] and (restarting or died(instance, edges.host)):
                postfix.start(edges.host, instance)
        elif restarting:
            postfix.restart(edges.host, instance)  # it may run with what only a restart changes
        else:
            postfix.reload(edges.host, instance)
    companions.release(edges)
    generations.sweep()
    return intent


def _switch_back(before: Generation, touched: Collection[str], edges: Edges, *, start: bool) -> None:
    """Make the old generation live, companions first; where the disk refuses, Postfix still runs if it ran."""
    try:
        edges.generations.companions.provide(before, before, edges.journal.step, touched)
        if live_path(edges.generations) != before.path:
            edges.generations.switch(before)
    except OSError:
        if start or died(edges.postfix(), edges.host):
            keep_running(edges)
        raise


def revive(edges: Edges) -> bool:
    """Start a master that died; one that an administrator stopped stays stopped. Whether it was started."""
    if not edges.generations.adopted or not died(instance := edges.postfix(), edges.host):
        return False
    edges.say("start Postfix, which had died")
    postfix.start(edges.host, instance)
    return True
