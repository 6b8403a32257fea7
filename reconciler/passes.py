"""What surrounds reconcile(): the lock, what was cut short, which revision, and the record of how it ended.

Every way to change the host passes here: the daemon's and the operator's passes, rollback, rescue and adoption. Each
ends in a conclusion in the journal, a phase, and for a commit a git note. Raises nothing for what may go wrong in a
pass; the operator's own ways raise NotPossible when there is nothing to go back to.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler import probation, providers
from reconciler.apply import Order, apply, recover, revive
from reconciler.errors import CommandFailed, ReconcilerError, Unavailable
from reconciler.handedit import HandEdit, only_ignored
from reconciler.journal import conclusion, finding_from
from reconciler.manifest import intact, with_todays_secrets
from reconciler.model import (
    Applied,
    Broken,
    Finding,
    Postponed,
    Refused,
    RolledBack,
    Superseded,
    Unchanged,
    Where,
)
from reconciler.phase import (
    Halted,
    Probation,
    Refusing,
    Retrying,
    Steady,
    Suspended,
    Wake,
    ended,
    next_phase,
    probation_of,
    quarantined,
    resumed,
)
from reconciler.plan import diff
from reconciler.reconcile import Memory, check, reconcile
from reconciler.report import EXIT, outcome_lines

if TYPE_CHECKING:
    from reconciler.apply import Edges
    from reconciler.journal import Line
    from reconciler.maillog import Mark
    from reconciler.manifest import Generation
    from reconciler.model import Outcome, Revision, Tree
    from reconciler.phase import Phase

NOT_ADOPTED = "not adopted yet: look at `reconciler plan`, then `reconciler once --adopt`"
MOST_SUPERSEDED = 100
RESCUE = "rescue"
_UNHURT = Steady | Probation | Retrying


class NotPossible(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator asked for something that this host can't do now, and the text says why."""


@dataclass(slots=True)
class Passed:
    """A pass that ended: for whom, how, and what was found on the way."""

    outcome: Outcome
    revision: str = ""
    seconds: float = 0.0
    drift: tuple[str, ...] = ()
    revived: bool = False
    started: list[str] = field(default_factory=list)
    edit: HandEdit = field(default_factory=lambda: HandEdit(()))
    recovered: Line | None = None
    superseded: list[Revision] = field(default_factory=list)
    quiet: bool = False
    began_at: Mark | None = None
    unrecorded: bool = False
    lost_note: str = ""
    line: Line = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The exit status of the commands that make a pass."""
        return EXIT[type(self.outcome)]


def one_pass(edges: Edges, memory: Memory, wake: Wake, accepted: Revision | None = None) -> Passed:
    """Bring the host to the branch, or to the revision that an operator *accepted*, and put it on record."""
    began = time.monotonic()
    try:
        with edges.generations.lock():
            recovered = recover(edges)
            if recovered:
                cut = Postponed("a pass was cut short and undone")
                edges.journal.conclude(conclusion(cut, recovered["revision"], 0.0))
            try:
                passed = _pass(edges, memory, accepted, recovered)
            except (ReconcilerError, OSError) as error:  # a repository that can't be read, a Postfix that won't start
                waits = isinstance(edges.journal.phase(), _UNHURT)
                passed = Passed(Postponed(str(error)), recovered=recovered, quiet=not waits)
            passed.seconds = time.monotonic() - began
            _conclude(passed, edges, wake, accepted)
    except (ReconcilerError, OSError) as error:  # the lock, the journal, a disk that is full
        passed = Passed(Postponed(str(error)), seconds=time.monotonic() - began, quiet=True, unrecorded=True)
    return passed


def _pass(edges: Edges, memory: Memory, accepted: Revision | None, recovered: Line | None) -> Passed:
    if not edges.generations.adopted:
        return Passed(Postponed(NOT_ADOPTED), recovered=recovered, quiet=True)
    edit = HandEdit.found(edges)
    if edit.files:
        edges.generations.age()
    passed, dead = Passed(Unchanged(), drift=edit.files, recovered=recovered, edit=edit), ""
    try:
        passed.revived = revive(edges)
    except CommandFailed as error:  # what is about to be put back may be what it died of
        dead = f"Postfix died and does not start: {error}"
    phase = ended(edges.journal.phase(), "", datetime.now(UTC))
    paused = accepted is None and isinstance(phase, Suspended | Halted)
    passed.started, trouble = providers.revive(edges, paused=paused)
    _bring(edges, memory, accepted, passed)
    edit.close(edges)
    edit.keep(edges)
    passed.drift = edit.files
    if (dead or trouble) and isinstance(passed.outcome, Unchanged):
        passed.outcome = Postponed(dead or trouble)
        passed.quiet = not isinstance(edges.journal.phase(), _UNHURT)
    return passed


def _bring(edges: Edges, memory: Memory, accepted: Revision | None, passed: Passed) -> None:
    """Choose the revision and reconcile; how it ended goes into *passed*."""
    tip = edges.repo.tip()
    phase = ended(probation.current(edges), tip.oid if tip else "", datetime.now(UTC))
    edges.journal.set_phase(phase)
    if accepted is None and isinstance(phase, Suspended | Halted):
        passed.outcome, passed.quiet = Postponed(_paused(phase)), True
        return
    revision = accepted or _wanted(tip, phase, edges, passed)
    if revision is None:
        return
    passed.revision = revision.oid
    passed.superseded = _passed_over(revision, edges)
    reports = edges.settings.drift_policy == "report" and accepted is None
    if reports and passed.drift and _is_live(revision, edges) and not only_ignored(revision, edges):
        passed.quiet = True
        return
    live = edges.generations.live()
    if live and live.revision != revision.oid:
        passed.began_at = probation.mark(edges)
    passed.outcome = reconcile(revision, edges, memory, restore=not reports)


def _wanted(tip: Revision | None, phase: Phase, edges: Edges, passed: Passed) -> Revision | None:
    """The revision to bring the host to; None, with the outcome set, when there is nothing to try."""
    live = edges.generations.live()
    live_oid = live.revision if live else ""
    if tip is None:
        passed.revision = live_oid
        passed.outcome = _refused(
            "branch-deleted", f"the branch {edges.repo.branch} is gone; what is live stays", edges
        )
        return None
    passed.revision = tip.oid
    if isinstance(phase, Refusing):
        if passed.drift and live_oid:
            return edges.repo.revision(live_oid)
        passed.outcome, passed.quiet = Refused(_quarantine(tip, edges)), True
        return None
    if live_oid and not edges.repo.is_ancestor(live_oid, tip.oid):
        text = (
            f"the branch was rewound or rewritten: {tip.short} does not come after {live_oid[:7]}, which is live;"
            f" if that is meant, `reconciler once {tip.short}`"
        )
        passed.outcome = _refused("branch-rewound", text, edges, lasting=True)
        return None
    return tip


def _quarantine(tip: Revision, edges: Edges) -> tuple[Finding, ...]:
    """Why a commit is quarantined: what refused it, or that an operator went back from it."""
    last = edges.journal.last(tip.oid)
    if last and last["outcome"] in ("Refused", "RolledBack"):
        return tuple(finding_from(data) for data in last["findings"])
    text = f"{tip.short} is quarantined since the host went back from it; `reconciler once {tip.short}` tries it again"
    where = Where(f"refs/heads/{edges.repo.branch}")
    return (Finding(rule="quarantined", where=where, text=text, subject=tip.oid),)


def _refused(rule: str, text: str, edges: Edges, *, lasting: bool = False) -> Refused:
    where = Where(f"refs/heads/{edges.repo.branch}")
    return Refused((Finding(rule=rule, where=where, text=text, subject=edges.repo.branch, lasting=lasting),))


def _is_live(revision: Revision, edges: Edges) -> bool:
    """Whether the host was brought to that revision already, with or without a change."""
    last = edges.journal.last(revision.oid)
    return last is not None and last["outcome"] in ("Applied", "Unchanged")


def _passed_over(revision: Revision, edges: Edges) -> list[Revision]:
    last = edges.journal.last()
    if last is None or not last["revision"] or last["revision"] == revision.oid:
        return []
    return edges.repo.between(last["revision"], revision.oid)[:MOST_SUPERSEDED]


def _paused(phase: Suspended | Halted) -> str:
    return f"suspended by {phase.who}: {phase.why}" if isinstance(phase, Suspended) else f"halted: {phase.reason}"


# ---- the record ------------------------------------------------------------------------------------------------------


def _conclude(passed: Passed, edges: Edges, wake: Wake, accepted: Revision | None) -> None:
    """Journal, phase and note; a pass that found nothing to do or to say leaves no trace."""
    awoken = passed.revived or passed.started or passed.recovered
    if passed.quiet and not awoken:
        return
    begun = _begun(passed, edges)
    phase = edges.journal.phase() if begun else probation.current(edges)
    if isinstance(passed.outcome, RolledBack) or (passed.edit.files and not begun):
        phase = probation.afresh(phase, edges)  # nor is what a hand edit broke until it was put back
    last = edges.journal.last()
    news = not isinstance(passed.outcome, Unchanged) or passed.edit.is_news or awoken
    if not news and last and last["revision"] == passed.revision and not isinstance(phase, Retrying) and not accepted:
        return
    for one in passed.superseded:
        outcome = Superseded(passed.revision)
        edges.journal.conclude(line_of(outcome, one.oid, 0.0, edges, one) | {"wake": wake.value})
    about = known_revision(passed.revision, edges)
    extra = {"wake": wake.value, **passed.edit.record, "revived": passed.revived, "started": passed.started or None}
    passed.line = line_of(passed.outcome, passed.revision, passed.seconds, edges, about) | extra
    after = phase if passed.quiet else next_phase(phase, passed.outcome, passed.revision, begun)
    edges.journal.set_phase(after)
    again = isinstance(phase, Retrying) and isinstance(after, Retrying) and last and last["revision"] == passed.revision
    if again and edges.journal.open_intent() is None:
        return  # one more attempt that failed is no news
    edges.journal.conclude(passed.line)
    note(passed, edges)
    edges.generations.prune()


def _begun(passed: Passed, edges: Edges) -> Probation | None:
    """The probation of a commit that this pass has made live; none for what was live already."""
    if passed.began_at is None or not isinstance(passed.outcome, Applied):
        return None
    return probation.begin(edges, passed.revision, passed.began_at, datetime.now(UTC))


def line_of(outcome: Outcome, revision: str, seconds: float, edges: Edges, about: Revision | None) -> Line:
    """The conclusion for the journal, with what is known of the commit."""
    live = edges.generations.live()
    return conclusion(
        outcome, revision, seconds, author=about.author if about else None, subject=about.subject if about else None,
        signer=None, generation=live.number if live else None,
    )  # fmt: skip


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


# ---- the operator's ways ---------------------------------------------------------------------------------------------


def adopt(edges: Edges, memory: Memory) -> Outcome | None:
    """Take the configuration directory over, byte for byte; the commit must pass its check first. None when done."""
    try:
        with edges.generations.lock():
            recover(edges)
            if edges.generations.adopted:
                return None
            tip = edges.repo.tip()
            if tip is None:
                return _refused("branch-deleted", f"there is no branch {edges.repo.branch}", edges)
            check(tip, edges, memory)
            edges.journal.intend({"revision": "", "source": "adopt", "before": "", "ran": False})
            edges.generations.adopt()
            edges.journal.conclude(line_of(Unchanged(), "", 0.0, edges, None) | {"wake": "operator", "why": "adopted"})
    except ReconcilerError as error:
        findings = getattr(error, "findings", None)
        return Refused(findings) if findings else Postponed(str(error))
    except OSError as error:
        return Postponed(str(error))
    return None


def roll_back(edges: Edges, number: int | None, who: str) -> Passed:
    """Make a new generation from an old one's files, and stay there until the branch moves or somebody resumes."""
    live = _adopted(edges)
    if number is None:
        number = next(
            (old.number for old in edges.generations.all() if old.number < live.number and not old.tainted), -1
        )
    old = next((one for one in edges.generations.all() if one.number == number), None)
    if old is None:
        raise NotPossible(
            f"there is no generation {number} to go back to; `ls {edges.generations.folder}` shows those that are"
        )
    if not intact(old):
        raise NotPossible(f"generation {old.number} was edited while it was live: it is evidence, not a way back")
    return _go_back(edges, with_todays_secrets(old.owned(), live.owned()), f"rollback of {old.number}", who)


def rescue(edges: Edges, who: str) -> Passed:
    """Go back to what the host was before it was adopted, and stay there until somebody resumes."""
    _adopted(edges)
    return _go_back(edges, edges.generations.rescue_tree(), RESCUE, who)


def _adopted(edges: Edges) -> Generation:
    live = edges.generations.live()
    if live is None:
        raise Unavailable(NOT_ADOPTED)
    return live


def _go_back(edges: Edges, target: Tree, source: str, who: str) -> Passed:
    """Make *target* live unchecked, and suspend; works without the repository, and starts a Postfix that died."""
    began = time.monotonic()
    try:
        with edges.generations.lock():
            recover(edges)
            live = edges.generations.live()
            plan = diff(edges.generations.read(target), target)
            outcome = apply(Order(plan=plan, revision="", source=source, committed_at=time.time(), trusted=True), edges)
            passed = Passed(outcome, seconds=time.monotonic() - began)
            about = {"wake": Wake.OPERATOR.value, "why": f"{source} by {who}"}
            passed.line = line_of(outcome, "", passed.seconds, edges, None) | about
            if isinstance(outcome, Applied):  # before the conclusion: killed in between, it is undone and suspended
                edges.journal.set_phase(_staying(edges, source, who, live.revision if live else ""))
            elif isinstance(outcome, Broken):
                edges.journal.set_phase(next_phase(edges.journal.phase(), outcome, ""))
            edges.journal.conclude(passed.line)
            edges.generations.prune()
    except (ReconcilerError, OSError) as error:
        return Passed(Postponed(str(error)), seconds=time.monotonic() - began)
    return passed


def _staying(edges: Edges, source: str, who: str, left: str) -> Suspended:
    """The suspension after going back: a rollback's ends when the branch moves, a rescue's by resume alone."""
    try:
        tip = edges.repo.tip()
    except ReconcilerError:
        tip = None
    oid = tip.oid if tip else ""
    kept = oid if left == oid else quarantined(edges.journal.phase())
    return Suspended(source, who, tip="" if source == RESCUE else oid, quarantined=kept)


def suspend(edges: Edges, why: str, who: str, until: datetime | None) -> Phase:
    """Change nothing until then, or until somebody resumes."""
    with edges.generations.lock():
        phase = edges.journal.phase()
        if isinstance(phase, Halted):
            raise NotPossible(f"{_paused(phase)}; look at it, then `reconciler resume`")
        waiting = probation_of(phase)
        edges.journal.set_phase(Suspended(why, who, until, quarantined=quarantined(phase), probation=waiting))
    return edges.journal.phase()


def resume(edges: Edges) -> Phase:
    """Leave a suspension, or a halt that a person has looked at."""
    with edges.generations.lock():
        edges.journal.set_phase(resumed(edges.journal.phase()))
    return edges.journal.phase()
