"""The record of a pass: what happened in it, whether that is news, and what is written of it.

is_news() and repeats() are pure. A note that can't be written is told, and never fails a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.model import Superseded, Unchanged
from reconciler.model.errors import ReconcilerError
from reconciler.model.phase import Retrying, next_phase
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
    """What happened in a pass: for which revision, how it ended, and what was found on the way.

    A *quiet* one had nothing to decide, and leaves the phase alone; *began_at* is where the mail log stood before a new
    commit went live. *conclusion* is what was put on record, None when that was no news; *unrecorded* says that it
    could not be.
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
    lost_note: str = ""
    unrecorded: bool = False

    @property
    def repaired(self) -> bool:
        """Whether it started what had died, or undid what was cut short."""
        return bool(self.revived or self.started or self.recovered)


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What is written of a pass: conclusions, the one of the pass last, and the *phase* after it.

    Of one that *repeats* the failure before it, the phase alone.
    """

    superseded: tuple[Conclusion, ...]
    conclusion: Conclusion
    phase: Phase
    repeats: bool


def is_news(passed: Passed, last: Conclusion | None, phase: Phase, *, asked: bool) -> bool:
    """Whether there is anything to write of a pass that began in *phase*, after one that ended with *last*.

    What an operator *asked* for by name is always answered.
    """
    if not isinstance(passed.outcome, Unchanged) or passed.edit.is_news or passed.repaired:
        return True
    return asked or isinstance(phase, Retrying) or last is None or last.revision != passed.revision


def repeats(before: Phase, after: Phase, last: Conclusion | None, revision: str) -> bool:
    """Whether a pass for *revision* is one more attempt that failed: the phase counts those, the journal does not."""
    failed_again = isinstance(before, Retrying) and isinstance(after, Retrying)
    return failed_again and last is not None and last.revision == revision


def record_of(passed: Passed, phase: Phase, begun: Probation | None, wake: Wake, edges: Edges) -> PassRecord:
    """Return what to write of a pass that began in *phase*; *begun* is the probation of what it made live."""
    after = phase if passed.quiet else next_phase(phase, passed.outcome, passed.revision, begun)
    again = repeats(phase, after, edges.journal.last(), passed.revision)
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
        repeats=again and edges.journal.open_intent() is None,  # an intent is closed by a conclusion alone
    )


def concluded(
    outcome: Outcome, revision: str, edges: Edges, wake: Wake, *, seconds: float = 0.0, why: str = ""
) -> Conclusion:
    """Return the conclusion for the journal, with what is known of the commit."""
    live, commit = edges.generations.live(), known_revision(revision, edges)
    about = About(
        author=commit.author if commit else None,
        subject=commit.subject if commit else None,
        generation=live.number if live else None,
    )
    return Conclusion(outcome=outcome, revision=revision, seconds=seconds, about=about, wake=wake, why=why)


def known_revision(revision: str, edges: Edges) -> Revision | None:
    """The commit of that name, if the repository still knows it."""
    try:
        return edges.repo.revision(revision) if revision else None
    except ReconcilerError:
        return None


def note(passed: Passed, edges: Edges) -> None:
    """The same as git notes; a note that can't be written is told, and never fails a pass."""
    live = edges.generations.live()
    number, short = (live.number, live.name) if live else (None, "")
    lines = "\n".join(outcome_lines(passed.outcome, passed.seconds, number, short))
    texts = [(passed.revision, f"{edges.settings.host}: {lines}")] if passed.revision else []
    texts += [(one.oid, f"{edges.settings.host}: superseded by {passed.revision[:7]}") for one in passed.superseded]
    for oid, text in texts:
        try:
            edges.repo.note(oid, text)
        except ReconcilerError as error:
            passed.lost_note = str(error)
