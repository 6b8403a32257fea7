"""Run a pass around reconcile(): take the lock, recover an interrupted pass, choose the revision, record the outcome.

Every change of the host goes through here: the daemon's and the operator's passes, rollback, rescue and adoption. Each
ends with a conclusion in the journal, a phase, and a git note for a commit. A failure within a pass is an outcome and
raises nothing; the operator's commands raise NotPossible when there is no generation to go back to.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.apply import companions
from reconciler.apply.activate import probe
from reconciler.apply.recover import recover, revive, revive_beside
from reconciler.host.programs import postfix
from reconciler.model import Applied, Postponed, Refused, RolledBack, Unchanged, errors_in
from reconciler.model.errors import (
    CommandFailed,
    Incomplete,
    ReconcilerError,
    Unavailable,
    WithFindings,
    WouldStop,
)
from reconciler.model.phase import Halted, Probation, Refusing, Retrying, Steady, Suspended, ended, next_phase
from reconciler.passes import hand_edit, probation, probation_now
from reconciler.passes.choice import NOT_ADOPTED, is_live, is_paused, passed_over, wanted, why_paused
from reconciler.passes.drift import drift
from reconciler.passes.internal_error import InternalError, internal_errors
from reconciler.passes.mail_taken import look_again
from reconciler.passes.reconcile import reconcile
from reconciler.passes.record import Passed, is_new_bug, is_news, note, record_of
from reconciler.passes.recovery import recovered
from reconciler.state.records import Conclusion, Step

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Outcome, Revision
    from reconciler.model.phase import Phase, Wake
    from reconciler.passes.check import Memory

_UNHURT = Steady | Probation | Retrying


def one_pass(edges: Edges, memory: Memory, wake: Wake, accepted: Revision | None = None) -> Passed:
    """Bring the host to the branch, or to the revision that an operator *accepted*, and record the pass.

    A bug in reconciler ends a pass like a problem outside the commit: undone, recorded and tried again.
    """
    passed, began = Passed(Unchanged()), time.monotonic()
    try:
        with internal_errors(), edges.generations.locks.state():
            try:
                with internal_errors():
                    passed = _recovered_pass(edges, memory, accepted, passed)
                    passed.seconds = time.monotonic() - began
                    passed.revived = edges.revived() or passed.revived
                    _conclude(passed, edges, wake, accepted)
            except InternalError as error:
                passed = _failed(error, passed, edges, wake)
    except InternalError as error:
        passed = Passed(_postponed(error), quiet=True, unrecorded=True, traceback=error.traceback)
    except (ReconcilerError, OSError) as error:  # the lock, the journal, a disk that is full
        why = error.reason if isinstance(error, Incomplete) else str(error)
        passed = Passed(Postponed(why), quiet=True, unrecorded=True)
        passed.held_back, passed.busy = isinstance(error, WouldStop), isinstance(error, Unavailable | WouldStop)
        passed.revived = revive_beside(edges)  # the pass that holds the lock may hang
    passed.seconds = passed.seconds or time.monotonic() - began
    return passed


def _recovered_pass(edges: Edges, memory: Memory, accepted: Revision | None, passed: Passed) -> Passed:
    """Recover an interrupted pass, and make this one; its events go into *passed*, which is returned."""
    passed.recovered = recovered(edges) if accepted is None else recover(edges)
    if passed.recovered:
        cut = Postponed("an interrupted pass was undone")
        edges.journal.conclude(Conclusion(outcome=cut, revision=passed.recovered.revision))
    try:
        _pass(edges, memory, accepted, passed)
    except (ReconcilerError, OSError) as error:  # a repository that can't be read, a Postfix that won't start
        waits = isinstance(edges.journal.phase(), _UNHURT)
        return Passed(Postponed(str(error)), passed.revision, recovered=passed.recovered, quiet=not waits)
    return passed


def _failed(error: InternalError, passed: Passed, edges: Edges, wake: Wake) -> Passed:
    """Undo the pass that a bug in reconciler cut short, and record it; if that meets a bug, only the phase tells it."""
    waits = isinstance(edges.journal.phase(), _UNHURT)
    failed = Passed(_postponed(error), passed.revision, quiet=not waits, traceback=error.traceback)
    try:
        with internal_errors():
            failed.recovered = recovered(edges) or passed.recovered
            live = edges.generations.live()
            is_live = live is not None and live.revision == passed.revision
            failed.outcome = _postponed(error, f"the commit is {'live' if is_live else 'not live'}; ")
            _conclude(failed, edges, wake, None)
    except InternalError as again:
        failed.traceback, failed.unrecorded = f"{failed.traceback}\n{again.traceback}", True
        if waits:
            edges.journal.set_phase(next_phase(edges.journal.phase(), failed.outcome, failed.revision))
    return failed


def _postponed(error: InternalError, where: str = "") -> Postponed:
    said = error.saying(f"{where}it is tried again")
    return Postponed(str(said), said.findings)


def _pass(edges: Edges, memory: Memory, accepted: Revision | None, passed: Passed) -> None:
    _require_live(edges)
    if not edges.generations.adopted:
        passed.outcome, passed.quiet = Postponed(NOT_ADOPTED), True
        return
    with suppress(OSError):  # status shows that a copy is missing
        edges.generations.keep_originals()
        edges.generations.place_of_link.remember()
    found, dead = hand_edit.find(edges), ""
    passed.edit = hand_edit.Kept(found)
    if found.files:
        postfix.age(edges.host, edges.settings.config_directory)
    try:
        passed.revived = revive(edges)
    except CommandFailed as error:  # a hand edit that this pass is about to revert may be the cause
        dead = f"Postfix died and does not start: {error}"
    phase = ended(edges.journal.phase(), "", datetime.now(UTC))
    paused = accepted is None and isinstance(phase, Suspended | Halted)
    passed.started, trouble = companions.revive(edges, paused=paused)
    _bring(edges, memory, accepted, passed)
    if isinstance(passed.outcome, Refused):  # by facts that no longer hold, if what is live went meanwhile
        _require_live(edges)
        if drift(edges.generations.live(), edges) != found.files:
            raise Unavailable("the live files were edited while the commit was judged")
    passed.edit = hand_edit.keep(found, edges)
    if (dead or trouble) and isinstance(passed.outcome, Unchanged):
        passed.outcome = Postponed(dead or trouble)
        passed.quiet = not isinstance(edges.journal.phase(), _UNHURT)


def _require_live(edges: Edges) -> None:
    """Raise Unavailable if the configuration directory leads to nothing of ours, which no commit is to blame for."""
    if lost := edges.generations.place_of_link.taken or edges.generations.lost:
        raise Unavailable(lost)


def _bring(edges: Edges, memory: Memory, accepted: Revision | None, passed: Passed) -> None:
    """Choose the revision and reconcile; the outcome goes into *passed*."""
    tip = edges.repo.tip()
    phase = ended(probation_now.current(edges), tip.oid if tip else "", datetime.now(UTC))
    edges.journal.set_phase(phase)
    if accepted is None and isinstance(phase, Suspended | Halted) and is_paused(phase, tip, edges):
        passed.outcome, passed.quiet = Postponed(why_paused(phase)), True
        look_again(edges)
        return
    try:
        revision = accepted or wanted(tip, phase, edges, passed)
    except WithFindings as error:  # the history can't be read within the limits
        passed.outcome = Refused(error.findings)
        return
    if revision is None:
        return
    passed.revision = revision.oid
    passed.superseded = passed_over(revision, edges)
    reports = edges.settings.drift_policy == "report" and accepted is None
    if reports and passed.edit.found.files and is_live(revision, edges) and not hand_edit.only_ignored(revision, edges):
        passed.quiet = True
        return
    live, restores = edges.generations.live(), isinstance(phase, Refusing) and accepted is None
    is_new = live is not None and live.revision != revision.oid and not restores
    if is_new or (live and live.kept and not passed.edit.found.files):
        passed.began_at = probation_now.mark(edges)
    passed.outcome = reconcile(revision, edges, memory, restore=not reports)
    if isinstance(phase, Halted) and isinstance(passed.outcome, Unchanged) and accepted is None:
        passed.outcome = _recovered(phase, passed.outcome, edges)


def _recovered(phase: Halted, outcome: Unchanged, edges: Edges) -> Outcome:
    """Return the outcome of a commit that changes nothing: what halted the host must be over for it to count."""
    faults = errors_in(probe(edges))
    return Postponed(f"{why_paused(phase)}; and now: {faults[0].text}") if faults else outcome


# ---- the record ------------------------------------------------------------------------------------------------------


def _conclude(passed: Passed, edges: Edges, wake: Wake, accepted: Revision | None) -> None:
    """Write the journal, the phase and the note; a pass without work and without findings writes none of them."""
    if passed.quiet and not passed.repaired and not is_new_bug(passed, edges.journal.last()):
        return
    begun = _begun(passed, edges)
    phase = _phase_before(passed, begun, edges)
    if not is_news(passed, edges.journal.last(), phase, asked=accepted is not None):
        return
    record = record_of(passed, phase, begun, wake, edges)
    passed.conclusion, passed.repeats = record.conclusion, record.repeats
    for conclusion in record.superseded:
        edges.journal.conclude(conclusion)
    edges.journal.set_phase(record.phase)
    if not record.repeats:
        edges.journal.conclude(record.conclusion)
        note(passed, edges)
        edges.generations.prune()


def _phase_before(passed: Passed, begun: Probation | None, edges: Edges) -> Phase:
    """Return the phase that the pass began in; after a fault of another cause, its probation reads from here on."""
    phase = edges.journal.phase() if begun else probation_now.current(edges)
    open_intent = edges.journal.open_intent()
    undone = isinstance(passed.outcome, RolledBack) or (open_intent is not None and Step.UNDO in open_intent.steps)
    if undone or (passed.edit.files and not begun):
        return probation.afresh(phase, edges)
    return phase


def _begun(passed: Passed, edges: Edges) -> Probation | None:
    """Return the probation of the commit that this pass made live; None if it was live already."""
    if passed.began_at is None or not isinstance(passed.outcome, Applied):
        return None
    return probation.begin(edges, passed.revision, passed.began_at, datetime.now(UTC))
