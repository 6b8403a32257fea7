"""What is wrong now with what is live, although no pass finds it: in a pause, and beside a commit that is held back.

What is live is judged by what it was made from, by the facts of this moment: its commit, also for a rollback, or its
own files after a rescue. Only errors of the moment count, such as a server that does not answer: what follows from the
commit alone was so when it went live. Raises nothing: what can't be judged has no faults.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from reconciler.desired.budget import Budget
from reconciler.desired.lint import PASSING, identities, identity, lint
from reconciler.host.facts import stamp
from reconciler.model import errors_in
from reconciler.model.errors import ReconcilerError
from reconciler.model.phase import Probation, Steady
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.judge import LiveCommit
from reconciler.passes.understand import asked_again

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.host.facts import Stamp
    from reconciler.model import Finding
    from reconciler.passes.understand import Understood


class FaultsNow:
    """Judges what is live; of what was well, only the facts are gathered again the next time. Safe from any thread."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._lock = Lock()
        self._known: tuple[tuple[Path, Stamp], Understood] | None = None

    def faults(self) -> list[Finding]:
        """Return the errors of the moment in what is live; none where passes find them."""
        if isinstance(self._edges.journal.phase(), Steady | Probation):
            self._known = None
            return []
        with self._lock:
            try:
                with internal_errors():  # a bug in a rule must not keep status from answering
                    return self._faults()
            except (ReconcilerError, OSError, ValueError):
                return []

    def _faults(self) -> list[Finding]:
        live, known = LiveCommit(self._edges), self._known
        if live.generation is None:
            return []
        made_of = live.generation.path, stamp(self._edges.settings.identity)  # without it no secret is opened
        if known and known[0] == made_of:
            before = known[1]
            facts = asked_again(before.facts, self._edges, ask=True)
            if facts == before.facts:
                return []  # as the last time: the rules know nothing but the commit and the facts
            judged = before._replace(facts=facts)
        elif live.judged_by:
            judged = live.judged_by
        else:
            return []
        found = [one for one in errors_in(lint(*judged, Budget(time.thread_time))) if not one.lasting]
        # What was wrong may also be a secret that could not be opened, which no look at the facts would find again.
        self._known = None if found else (made_of, judged)
        return found


def told_now(faults: Sequence[Finding], understood: Callable[[], Understood], edges: Edges) -> list[str]:
    """Return what to say of faults that a pass found: what the facts of this moment disprove is over.

    *understood* returns what the pass judged; that may take as long as to load a commit.
    """
    if not any(one.rule in PASSING for one in faults):
        return [told_of_pass(one) for one in faults]
    judged = understood()
    facts = asked_again(judged.facts, edges, ask=True)
    found = identities(lint(judged.desired, facts, judged.origin, Budget(time.thread_time)))
    still = (one for one in faults if one.rule not in PASSING or identity(one) in found)
    return [told(one) if one.rule in PASSING else told_of_pass(one) for one in still]


def told(fault: Finding) -> str:
    """Return what to say of a fault that is true now, with the rule that explains it."""
    return f"{fault}  [{fault.rule}]"


def told_of_pass(fault: Finding) -> str:
    """Return what to say of a fault that nothing but another pass can look at."""
    return f"the last pass found {told(fault)}"
