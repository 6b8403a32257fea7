"""The report of a pass: one line in the daemon's log, and the outcome for clients that follow. Raises nothing.

Promises: each thing that happens is one line with the priority of its headline. A pass that only meets again what lasts
is no more than information, also after a restart of the daemon as far as the journal tells.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.daemon.news import News
from reconciler.desired.lint import SAME
from reconciler.host.log import Event, Priority
from reconciler.model import Applied, Postponed, Refused, Superseded
from reconciler.model.errors import ReconcilerError
from reconciler.model.phase import Halted, Suspended, Wake
from reconciler.passes.choice import why_paused
from reconciler.passes.headline import finding_text, headline
from reconciler.passes.status import provisional
from reconciler.state.records import Conclusion, conclusion_line, edited_line
from reconciler.trees.report import outcome_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.apply.edges import Edges
    from reconciler.daemon.progress import ProgressBoard
    from reconciler.host.log import Log
    from reconciler.passes.headline import Headline
    from reconciler.passes.record import Passed
    from reconciler.state.records import ConclusionLine


_NUMBER = re.compile("[0-9]+")


class Reporter:
    """Reports the passes of one daemon."""

    def __init__(self, edges: Edges, board: ProgressBoard, log: Log) -> None:
        self._edges, self._board, self._log = edges, board, log
        self._news = News()

    def start(self) -> None:
        """Learn from the journal what lasts from before the daemon's start."""
        with suppress(ReconcilerError, OSError):
            phase, last = self._edges.journal.phase(), self._edges.journal.last()
            paused = Postponed(why_paused(phase)) if isinstance(phase, Suspended | Halted) else None
            known = [last, Conclusion(outcome=paused, revision="") if paused else None]
            self._news.learn("pass", [key for one in known if one for key in lasting(conclusion_line(one))])

    def report(self, passed: Passed, reasons: Sequence[Wake], tip: str = "") -> None:
        """Report a pass for *reasons*; a postponed pass without a commit ends the progress of *tip*."""
        recorded = passed.conclusion is not None and not passed.repeats
        if recorded:
            for why in self._news.begun("note", [passed.lost_note]):
                self._log.warning(Event.NOTE_LOST, why=why)
        _end(passed, tip, self._edges, self._board)
        told, begun = told_of(passed), self._news.begun("pass", lasting(_line(passed)))
        asked = set(reasons) - {Wake.DRIFT, Wake.TIMER}
        is_quarantined = passed.quiet and isinstance(passed.outcome, Refused)  # what refused it has been reported
        is_news = recorded or (bool(begun) and not is_quarantined)
        priority = told.priority if is_news else Priority.INFO if asked else Priority.DEBUG
        _write(told, priority, passed, reasons, self._log)
        if passed.traceback and is_news:
            self._log.info(Event.FAILED, traceback=passed.traceback)

    def beside(self, passed: Passed, wake: Wake) -> None:
        """Report what was done beside the passes, such as a rollback; what lasts stays known."""
        _end(passed, "", self._edges, self._board)
        told = told_of(passed)
        self._news.learn("pass", lasting(_line(passed)))
        _write(told, told.priority, passed, [wake], self._log)


def lasting(line: ConclusionLine) -> Iterator[str]:
    """Yield what of a pass the next one meets again if nothing changes: a failure, errors, hand edits that stay.

    Numbers in a reason do not count: free bytes and process numbers differ from pass to pass.
    """
    outcome, excused = line["outcome"], f"({SAME})"
    for one in line["findings"]:
        if one["severity"] == "error" or one["text"].endswith(excused):
            yield f"{one['rule']} {one['subject']}"
    if outcome == "Broken" and line["findings"]:  # the passes after it are postponed, with this reason
        yield "Postponed  " + _NUMBER.sub("N", f"halted: {finding_text(line['findings'][0])}")
    if outcome in {"Refused", "Postponed"}:
        yield f"{outcome} {line['revision']} {_NUMBER.sub('N', line.get('reason') or '')}"
    yield from (f"edit of {path} {line.get('drift_by')}" for path in line.get("drift") or ())
    yield _NUMBER.sub("N", line.get("not_kept") or "")


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
    return headline(_line(passed))


def _line(passed: Passed) -> ConclusionLine:
    done = Conclusion(outcome=passed.outcome, revision=passed.revision, edited=passed.edit.record)
    return conclusion_line(passed.conclusion or done)


def _write(told: Headline, priority: Priority, passed: Passed, reasons: Sequence[Wake], log: Log) -> None:
    """Log the pass."""
    log.at(
        priority,
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
