"""Probation: a commit that went live is provisional while real traffic shows whether mail works.

Promises: passes/look.py decides which log lines count. A rollback makes a new generation from an earlier commit's
files, with today's foreign files and passwords; if that fails, it points the live link at the earlier generation. Only
the phase is stored, so a killed daemon resumes the watch at the mark of the swap.

A rollback restarts Postfix. It waits while a service answers that this would end (passes/next_start.py): what the
commit does wrong is less than no answer at all, and the undo of a rollback that fails would restart once more. What a
trouble of this host explains does not condemn the commit (passes/blame.py).

Raises WouldStop for a rollback that waits, OSError as the kernel gives it, CommandFailed when the journal cannot be
read.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from reconciler.apply.activate import died
from reconciler.apply.protocol import apply, undo
from reconciler.apply.stage import Order
from reconciler.host.programs import postfix
from reconciler.host.programs.vocabulary import quotable
from reconciler.model import UNWRITTEN, Activation, Applied, Broken, Finding, RolledBack, Unchanged, Where
from reconciler.model.errors import ReconcilerError
from reconciler.model.phase import Probation, Suspended, Wake, failed, left, next_phase, on_probation, probation_of
from reconciler.passes.blame import of_the_commit, shared_troubles
from reconciler.passes.judge import raise_if_files_stop
from reconciler.passes.look import LOGGED
from reconciler.passes.placed import at_source
from reconciler.passes.probation_now import clock, current, mark, way_back
from reconciler.passes.record import Passed, concluded, note
from reconciler.passes.recovery import recovered
from reconciler.state.locks import PATIENCE
from reconciler.state.manifest import Deviations, with_todays_secrets
from reconciler.state.records import Intent
from reconciler.state.source import Source, SourceKind
from reconciler.trees.plan import diff

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.apply.edges import Edges
    from reconciler.host.maillog import Mark
    from reconciler.model import Outcome
    from reconciler.model.phase import Phase
    from reconciler.passes.look import Look

UNCONFIRMED = "not-confirmed"


def begin(edges: Edges, revision: str, began: Mark, now: datetime) -> Probation | None:
    """Return the probation of a commit that has just gone live; None if the settings turn probation off."""
    settings, live = edges.settings, edges.generations.live()
    confirm = settings.confirm_mode == "manual"
    lasts = settings.confirm_time if confirm else settings.probation
    if not lasts or live is None:
        return None
    until = now.replace(microsecond=0) + timedelta(seconds=lasts)
    return Probation(
        generation=live.number, until=until, revision=revision, since=clock(), lasts=lasts, mark=began,
        watched=settings.probation > 0, confirm=confirm,
    )  # fmt: skip


def afresh(phase: Phase, edges: Edges) -> Phase:
    """Return the phase with its probation reading from here on: a failed attempt's log lines do not count."""
    running = probation_of(phase)
    return on_probation(phase, replace(running, mark=mark(edges))) if running else phase


def unconfirmed(running: Probation) -> Finding:
    """Return the finding that no operator confirmed the commit in time."""
    minutes, seconds = divmod(round(running.lasts), 60)
    within = " ".join(part for part in (f"{minutes}m" * bool(minutes), f"{seconds}s" * bool(seconds)) if part)
    text = (
        f"not confirmed within {within}: with confirm.mode = manual, a commit stays live only if an operator runs"
        " `reconciler confirm` in time"
    )
    return Finding(rule=UNCONFIRMED, where=UNWRITTEN, text=text, subject="confirm", lasting=False)


# ---- the way back ----------------------------------------------------------------------------------------------------


def go_back(running: Probation, findings: list[Finding], edges: Edges) -> Outcome:
    """Roll the commit on probation back to the generation before it."""
    live, old = edges.generations.live(), way_back(running, edges)
    if live is None or old is None:
        gone = "there is no earlier generation without hand edits, so the live generation stays"
        where = Where(str(edges.generations.folder))
        return Broken((Finding(rule="no-way-back", where=where, text=gone, subject="generations"), *findings))
    target = with_todays_secrets(old.owned(), live.owned())
    # A service that died is throttled for a minute, over any reload.
    plan = replace(diff(edges.generations.read(target), target), steps=(Activation.RESTART,))
    raise_if_files_stop(target, plan.steps, edges)
    source = Source(SourceKind.BACK, number=old.number)
    order = Order(
        plan=plan,
        revision=old.revision,
        source=source,
        committed_at=time.time(),
        trusted=True,
        deviations=Deviations(kept=old.kept),
    )
    try:
        if isinstance(apply(order, edges), Applied):
            edges.generations.taint(live)
            return RolledBack(tuple(findings))
    except (ReconcilerError, OSError) as error:  # a full disk, for example; a rename needs no space
        edges.say(f"can't make a new generation: {error}")
    instance = edges.postfix()
    ran = postfix.running(instance) is not None or died(instance, edges.host)
    newest = max(one.number for one in edges.generations.all())
    intent = Intent(revision=running.revision, source=source, before=old.path, newest=newest, ran=ran)
    edges.journal.intend(intent)
    return undo(old, live, Activation.RESTART if ran else Activation.NOTHING, findings, edges)


def prove(edges: Edges, look: Look) -> Passed | None:
    """Check whether the commit on probation may stay live; return the pass that rolled it back, or None.

    Only a rollback takes the lock, so that a look never blocks another process. Raises what reading the log raises,
    and Unavailable while another pass holds the lock: the next look finds the same.
    """
    began = time.monotonic()
    findings = look.findings(began)
    if not findings and left(look.running, clock()) > 0:
        return None
    with edges.generations.locks.state():
        cut_short = recovered(edges)
        # Log lines of another, interrupted commit do not count; an interrupted rollback was undone and is decided anew.
        if cut_short and cut_short.source.kind is not SourceKind.BACK:
            edges.journal.set_phase(afresh(current(edges), edges))
            return None
        phase = current(edges)
        running = probation_of(phase)
        edges.journal.set_phase(phase)
        if running is None or not look.is_of(running) or isinstance(phase, Suspended):
            return None
        if findings and edges.generations.drift():  # a hand edit can break mail too, so it is reverted first
            return None
        findings = _condemning(findings, running, edges)
        if not findings and left(running, clock()) > 0:
            return None
        if not findings and running.confirm:
            findings = [unconfirmed(running)]
        if not findings:
            edges.journal.set_phase(on_probation(phase, None))
            return None
        return _take_back(edges, phase, running, findings, began)


def _condemning(findings: list[Finding], running: Probation, edges: Edges) -> list[Finding]:
    """Return the findings that no trouble explains which is just as true of the generation to go back to."""
    old = way_back(running, edges) if findings else None
    return of_the_commit(findings, shared_troubles(old.owned(), edges)) if old else findings


def _take_back(edges: Edges, phase: Phase, running: Probation, findings: list[Finding], began: float) -> Passed:
    live = edges.generations.live()
    outcome = _quotable(at_source(go_back(running, findings, edges), live, edges, is_cause=True), edges)
    passed = Passed(outcome, running.revision)
    passed.seconds = time.monotonic() - began
    passed.conclusion = concluded(passed.outcome, running.revision, edges, Wake.TIMER, seconds=passed.seconds)
    edges.journal.conclude(passed.conclusion)  # before the phase: if killed in between, current() sees the rollback
    if isinstance(passed.outcome, RolledBack):
        edges.journal.set_phase(failed(phase, running, mark(edges)))
    else:
        edges.journal.set_phase(next_phase(phase, passed.outcome, running.revision))
    note(passed, edges)
    edges.generations.prune()
    return passed


def _quotable(outcome: Outcome, edges: Edges) -> Outcome:
    """Return the outcome without what log lines quote of files that are not in the commit."""
    if not isinstance(outcome, RolledBack | Broken):
        return outcome
    directory = edges.settings.config_directory
    found = [
        replace(one, text=quotable(one.text, directory)) if one.rule in LOGGED else one for one in outcome.findings
    ]
    return replace(outcome, findings=tuple(found))


def confirm(edges: Edges, who: str) -> Probation | None:
    """End the probation and keep the commit; return None when no commit is on probation."""
    with edges.generations.locks.state(PATIENCE):
        phase = current(edges)
        running = probation_of(phase)
        if running:
            why = f"confirmed by {who}"
            edges.journal.conclude(concluded(Unchanged(), running.revision, edges, Wake.OPERATOR, why=why))
            phase = on_probation(phase, None)
        edges.journal.set_phase(phase)
    return running
