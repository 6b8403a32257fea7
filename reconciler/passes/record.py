"""Record a pass: its events, whether they are news, and the journal entry, phase and git note for it.

is_news(), is_new_bug() and repeats() are pure. A note that can't be written is reported and never fails a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.model import Superseded, Unchanged
from reconciler.model.errors import ReconcilerError
from reconciler.model.phase import Retrying, next_phase
from reconciler.passes.branch import known_revision
from reconciler.passes.hand_edit import Kept
from reconciler.state.records import About, Conclusion
from reconciler.trees.report import outcome_lines

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.host.maillog import Mark
    from reconciler.model import Outcome, Revision
    from reconciler.model.phase import Phase, Probation, Wake
    from reconciler.state.records import Intent


@dataclass(slots=True)
class Passed:
    """The events of a pass: its revision, its outcome, and the findings on the way.

    A *quiet* pass had nothing to decide and does not change the phase; *began_at* is the end of the mail log before a
    new commit went live. *conclusion* is the journal entry, None when there was no news; it is not written for a pass
    that *repeats* the failure before it. *unrecorded* is set when the
    entry could not be written, and *busy* if that is so because no pass could begin: another process is at work, or the
    recovery of an interrupted pass is *held_back*. A bug in reconciler that ended it has a *traceback*, for the
    daemon's log only.
    """

    outcome: Outcome
    revision: str = ""
    seconds: float = 0.0
    revived: bool = False
    started: list[str] = field(default_factory=list)
    edit: Kept = field(default_factory=Kept)
    recovered: Intent | None = None
    superseded: list[Revision] = field(default_factory=list)
    quiet: bool = False
    began_at: Mark | None = None
    conclusion: Conclusion | None = None
    repeats: bool = False
    lost_note: str = ""
    unrecorded: bool = False
    busy: bool = False
    held_back: bool = False
    traceback: str = ""

    @property
    def repaired(self) -> bool:
        """Whether the pass started a program that had died, or undid an interrupted pass."""
        return bool(self.revived or self.started or self.recovered)


@dataclass(frozen=True, slots=True)
class PassRecord:
    """The record of a pass: its conclusions, with that of the pass itself last, and the *phase* after it.

    For a pass that *repeats* the failure before it, only the phase is written.
    """

    superseded: tuple[Conclusion, ...]
    conclusion: Conclusion
    phase: Phase
    repeats: bool


def is_news(passed: Passed, last: Conclusion | None, phase: Phase, *, asked: bool) -> bool:
    """Return whether a pass that began in *phase* needs a record, given the *last* conclusion.

    A pass that an operator *asked* for by name is always recorded.
    """
    if not isinstance(passed.outcome, Unchanged) or passed.edit.is_news or passed.repaired:
        return True
    return asked or isinstance(phase, Retrying) or last is None or last.revision != passed.revision


def is_new_bug(passed: Passed, last: Conclusion | None) -> bool:
    """Return whether a bug in reconciler ended the pass, and the *last* conclusion does not tell the same."""
    return bool(passed.traceback) and (last is None or last.outcome != passed.outcome)


def repeats(before: Phase, after: Phase, last: Conclusion | None, revision: str) -> bool:
    """Return whether a pass for *revision* is a repeated failure, which the phase counts and the journal leaves out."""
    failed_again = isinstance(before, Retrying) and isinstance(after, Retrying)
    return failed_again and last is not None and last.revision == revision


def record_of(passed: Passed, phase: Phase, begun: Probation | None, wake: Wake, edges: Edges) -> PassRecord:
    """Return the record of a pass that began in *phase*; *begun* is the probation of the commit it made live."""
    after = phase if passed.quiet else next_phase(phase, passed.outcome, passed.revision, begun)
    last = edges.journal.last()
    again = repeats(phase, after, last, passed.revision) and not (
        is_new_bug(passed, last) or passed.revived or passed.started
    )
    superseded = Superseded(passed.revision)
    return PassRecord(
        superseded=tuple(concluded(superseded, commit.oid, edges, wake) for commit in passed.superseded),
        conclusion=replace(
            concluded(passed.outcome, passed.revision, edges, wake, seconds=passed.seconds),
            edited=passed.edit.record,
            revived=passed.revived,
            started=tuple(passed.started),
        ),
        phase=after,
        repeats=again and edges.journal.open_intent() is None,  # only a conclusion closes an intent
    )


def concluded(
    outcome: Outcome, revision: str, edges: Edges, wake: Wake, *, seconds: float = 0.0, why: str = ""
) -> Conclusion:
    """Return the conclusion for the journal, with the commit's author and subject if they are known."""
    live, commit = edges.generations.live(), known_revision(revision, edges)
    about = About(
        author=commit.author if commit else None,
        subject=commit.subject if commit else None,
        generation=live.number if live else None,
    )
    return Conclusion(outcome=outcome, revision=revision, seconds=seconds, about=about, wake=wake, why=why)


def note(passed: Passed, edges: Edges) -> None:
    """Write the record as git notes; a note that can't be written is reported and never fails a pass."""
    live = edges.generations.live()
    number, short = (live.number, live.name) if live else (None, "")
    lines = "\n".join(outcome_lines(passed.outcome, passed.seconds, number, short))
    texts = [(passed.revision, f"{edges.settings.label}: {lines}")] if passed.revision else []
    texts += [(one.oid, f"{edges.settings.label}: superseded by {passed.revision[:7]}") for one in passed.superseded]
    for oid, text in texts:
        try:
            edges.repo.note(oid, text)
        except ReconcilerError as error:
            passed.lost_note = str(error)
