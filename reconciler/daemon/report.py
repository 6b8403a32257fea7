"""The report of a pass: one line in the daemon's log, and the outcome for clients that follow. Raises nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.host.log import Event, Priority
from reconciler.model import Applied, Postponed, Superseded
from reconciler.model.phase import Wake
from reconciler.passes.headline import headline
from reconciler.passes.status import provisional
from reconciler.state.records import Conclusion, conclusion_line, edited_line
from reconciler.trees.report import outcome_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.edges import Edges
    from reconciler.daemon.progress import ProgressBoard
    from reconciler.host.log import Log
    from reconciler.passes.headline import Headline
    from reconciler.passes.record import Passed


def report(passed: Passed, reasons: Sequence[Wake], tip: str, edges: Edges, board: ProgressBoard, log: Log) -> None:
    """Report a pass for *reasons*; a postponed pass without a commit ends the progress of *tip*."""
    if passed.lost_note:
        log.warning(Event.NOTE_LOST, why=passed.lost_note)
    if passed.traceback:
        log.error(Event.FAILED, traceback=passed.traceback)
    _end(passed, tip, edges, board)
    _write(passed, reasons, log)


def _end(passed: Passed, tip: str, edges: Edges, board: ProgressBoard) -> None:
    """End the progress of the pass's commit, and of the commits that it superseded."""
    live = edges.generations.live()
    number, short = (live.number, live.name) if live else (None, "")
    for revision in passed.superseded:
        lines = list(outcome_lines(Superseded(passed.revision), 0, number, short))
        board.end(revision.oid, lines, "superseded")
    lines = list(outcome_lines(passed.outcome, passed.seconds, number, short))
    if isinstance(passed.outcome, Applied):
        lines += provisional(edges)
    oid = passed.revision or (tip if isinstance(passed.outcome, Postponed) else "")
    if oid and (passed.conclusion or not board.ended(oid)):  # a pass without a conclusion does not end it again
        board.end(oid, lines, type(passed.outcome).__name__.lower())


def told_of(passed: Passed) -> Headline:
    """Return the result of a pass in one sentence, also of one that was no news."""
    return headline(conclusion_line(passed.conclusion or Conclusion(outcome=passed.outcome, revision=passed.revision)))


def _write(passed: Passed, reasons: Sequence[Wake], log: Log) -> None:
    """Log the pass; one that no request caused and that has no result is logged at debug level."""
    asked = set(reasons) - {Wake.DRIFT, Wake.TIMER}
    news = passed.conclusion or passed.edit.is_news or asked
    told = told_of(passed)
    log.at(
        told.priority if news else Priority.DEBUG,
        Event.PASSED,
        text=told.text,
        outcome=type(passed.outcome).__name__,
        revision=passed.revision[:7],
        seconds=round(passed.seconds, 3),
        reasons=[reason.value for reason in reasons],
        **edited_line(passed.edit.record),
        revived=passed.revived,
        recovered=passed.recovered is not None,
        findings=[str(finding) for finding in getattr(passed.outcome, "findings", ())],
        reason=getattr(passed.outcome, "reason", None),
    )
