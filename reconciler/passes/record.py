"""The record of a pass: its conclusion in the journal, and its note."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.model.errors import ReconcilerError
from reconciler.passes.hand_edit import Kept
from reconciler.state.records import About, Conclusion
from reconciler.trees.report import EXIT, outcome_lines

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.host.maillog import Mark
    from reconciler.model import Outcome, Revision
    from reconciler.model.phase import Wake
    from reconciler.state.records import Intent


@dataclass(slots=True)
class Passed:
    """A pass that ended: for whom, how, and what was found on the way."""

    outcome: Outcome
    revision: str = ""
    seconds: float = 0.0
    drift: tuple[str, ...] = ()
    revived: bool = False
    started: list[str] = field(default_factory=list)
    edit: Kept = field(default_factory=Kept)
    recovered: Intent | None = None
    superseded: list[Revision] = field(default_factory=list)
    quiet: bool = False
    began_at: Mark | None = None
    unrecorded: bool = False
    lost_note: str = ""
    conclusion: Conclusion | None = None

    @property
    def status(self) -> int:
        """The exit status of the commands that make a pass."""
        return EXIT[type(self.outcome)]


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
    number, short = (live.number, live.revision[:7]) if live else (None, "")
    lines = "\n".join(outcome_lines(passed.outcome, passed.seconds, number, short))
    texts = [(passed.revision, f"{edges.settings.host}: {lines}")] if passed.revision else []
    texts += [(one.oid, f"{edges.settings.host}: superseded by {passed.revision[:7]}") for one in passed.superseded]
    for oid, text in texts:
        try:
            edges.repo.note(oid, text)
        except ReconcilerError as error:
            passed.lost_note = str(error)
