"""What is on probation now, by what time, and what a rollback would return to: all that a status has to know of it.

Reads only. Raises OSError as the kernel gives it, CommandFailed when the journal or Postfix's log cannot be read.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.host import processes
from reconciler.host.maillog import open_log
from reconciler.model import RolledBack
from reconciler.model.phase import Clock, Refusing, carried_on, failed, on_probation, probation_of
from reconciler.state.manifest import intact

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.host.maillog import Mark
    from reconciler.model.phase import Phase, Probation
    from reconciler.state.manifest import Generation


def clock() -> Clock:
    """Return the current time on the clock that a probation uses."""
    return Clock(processes.boot_id(), processes.boot_clock())


def mark(edges: Edges) -> Mark:
    """Return the current end of the mail log."""
    return open_log(edges.host, edges.postfix().values).mark()


def current(edges: Edges) -> Phase:
    """Return the current phase: a probation counts while its commit is live, whatever the generation's number is.

    A probation whose commit is no longer live was ended by an operator, or interrupted between rollback and record.
    """
    phase, live = edges.journal.phase(), edges.generations.live()
    running = probation_of(phase)
    while running and (live is None or running.revision != live.revision):
        last = edges.journal.last(running.revision)
        back = last is not None and isinstance(last.outcome, RolledBack) and not isinstance(phase, Refusing)
        now = mark(edges)
        earlier = replace(running.earlier, mark=now) if running.earlier else None
        phase = failed(phase, running, now) if back else on_probation(phase, earlier)
        running = probation_of(phase)
    if running and live:
        known = carried_on(running, clock(), datetime.now(UTC).replace(microsecond=0))
        phase = on_probation(phase, replace(known, generation=live.number))
    return phase


def way_back(running: Probation, edges: Edges) -> Generation | None:
    """Return the newest earlier generation of another commit that is unchanged since it was live."""
    older = (one for one in edges.generations.all() if one.number < running.generation)
    return next((one for one in older if one.revision != running.revision and intact(one)), None)
