"""The verdict over a commit on probation: it stays by its time or by a person's word, or is taken back.

prove() is the daemon's, as often as something is logged; confirm() is the operator's. Either ends on record. Raises
what reading the mail log does, and Unavailable while a pass has the lock: the next look finds the same.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler import probation
from reconciler.apply import recover
from reconciler.culprit import Origin
from reconciler.errors import ReconcilerError
from reconciler.model import Broken, RolledBack, Unchanged
from reconciler.passes import Passed, known_revision, line_of, note
from reconciler.phase import Suspended, Wake, failed, left, next_phase, on_probation, probation_of
from reconciler.reconcile import understand

if TYPE_CHECKING:
    from reconciler.apply import Edges
    from reconciler.model import Finding, Outcome
    from reconciler.phase import Phase, Probation


def prove(edges: Edges, look: probation.Look) -> Passed | None:
    """Look whether the commit on probation may stay; the pass that took it back, or None.

    Only what is about to be changed takes the lock, so that looking keeps nobody out. Raises what reading the log does,
    and Unavailable while another pass has the lock: the next look finds the same.
    """
    began = time.monotonic()
    findings = look.findings()
    if not findings and left(look.running, probation.clock()) > 0:
        return None
    with edges.generations.lock():
        cut_short = recover(edges)
        # What another commit said before it was cut short is not this one's fault; its own way back is gone again.
        if cut_short and not cut_short["source"].startswith(probation.BACK):
            edges.journal.set_phase(probation.afresh(probation.current(edges), edges))
            return None
        phase = probation.current(edges)
        running = probation_of(phase)
        edges.journal.set_phase(phase)
        if running is None or not look.is_of(running) or isinstance(phase, Suspended):
            return None
        if findings and edges.generations.drift():  # whoever edits by hand breaks mail too: first that is put back
            return None
        if not findings and running.confirm:
            findings = [probation.unconfirmed(running)]
        if not findings:
            edges.journal.set_phase(on_probation(phase, None))
            return None
        return _take_back(edges, phase, running, findings, began)


def _take_back(edges: Edges, phase: Phase, running: Probation, findings: list[Finding], began: float) -> Passed:
    outcome = probation.go_back(running, findings, edges)
    passed = Passed(_at_source(outcome, running, edges), running.revision)
    passed.seconds = time.monotonic() - began
    about = known_revision(running.revision, edges)
    passed.line = line_of(passed.outcome, running.revision, passed.seconds, edges, about) | {"wake": Wake.TIMER.value}
    edges.journal.conclude(passed.line)  # before the phase: killed in between, current() finds what happened here
    if isinstance(passed.outcome, RolledBack):
        edges.journal.set_phase(failed(phase, running, probation.mark(edges)))
    else:
        edges.journal.set_phase(next_phase(phase, passed.outcome, running.revision))
    note(passed, edges)
    edges.generations.prune()
    return passed


def _at_source(outcome: Outcome, running: Probation, edges: Edges) -> Outcome:
    """Point at what in the commit is the cause, as far as the words of the log tell; asked once mail flows again."""
    if not isinstance(outcome, RolledBack | Broken):
        return outcome
    try:
        _, _, merged = understand(edges.repo.revision(running.revision), edges)
    except (ReconcilerError, OSError, ValueError):
        return outcome
    origin = Origin(merged, str(edges.settings.config_directory))
    said_by = {service.command: service for service in reversed(merged.entries)}
    found = [
        replace(one, where=origin.of(one.text, said_by.get(one.subject))) if one.rule == probation.RULE else one
        for one in outcome.findings
    ]
    return replace(outcome, findings=tuple(found))


def confirm(edges: Edges, who: str) -> Probation | None:
    """Keep the commit on probation, for good; None when there is nothing to confirm."""
    with edges.generations.lock():
        phase = probation.current(edges)
        running = probation_of(phase)
        if running:
            about = known_revision(running.revision, edges)
            line = line_of(Unchanged(), running.revision, 0.0, edges, about)
            edges.journal.conclude(line | {"wake": Wake.OPERATOR.value, "why": f"confirmed by {who}"})
            phase = on_probation(phase, None)
        edges.journal.set_phase(phase)
    return running
