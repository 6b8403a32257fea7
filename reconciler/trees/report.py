"""What people read: plans, outcomes and the status as lines of plain text, the same on a terminal and through git.

Pure. Colour is the terminal's business: a change begins with ``+``, ``-`` or ``~``, and a finding is one line that
begins with its place.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler.model import (
    BESIDE,
    Activation,
    Applied,
    Broken,
    Kind,
    Postponed,
    Refused,
    RolledBack,
    Superseded,
    Unchanged,
    Where,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.model import Change, Finding, Outcome, Plan

WIDTH = 78
NOBODY = Where("mail.yaml")  # the origin of what holds when nobody says anything
MOST = 40
_PROVISIONAL = {
    "cause-in-traffic": "real traffic showed a fault of its configuration",
    "not-confirmed": "it was not confirmed in time",
}


def change_lines(changes: Sequence[Change], most: int = MOST) -> Iterator[str]:
    """One line a change, the place at the right; after many, how many more there are."""
    name_width = min(max((len(change.what) for change in changes[:most]), default=0), 32)
    for change in changes[:most]:
        yield _change(change, name_width)
    if len(changes) > most:
        yield f"  ... and {len(changes) - most} more"


def _change(change: Change, name_width: int) -> str:
    mark = "+" if change.before is None else "-" if change.after is None else "~"
    text = printable(_value(change))
    if change.kind in {Kind.TABLE, Kind.FILE}:
        text = f"{change.kind.value} {text}".rstrip()
    written = change.where if change.where != NOBODY else None
    place = f"{written.file}:{written.line}" if written else f"(in {change.within})" if change.within else ""
    room = WIDTH - len(place) - 2 * bool(place)
    what = printable(change.what).removeprefix(BESIDE)
    left = f"  {mark} {what:<{name_width}}  {text}".rstrip()
    left = left if len(left) <= room else left[: room - 3].rstrip() + "..."
    return f"{left:<{room}}  {place}" if place else left


def _value(change: Change) -> str:
    if change.kind is Kind.SERVICE:
        before, after = (_service_text(text, change.what) for text in (change.before, change.after))
    else:
        before, after = change.before, change.after
    if before is None or after is None:
        return after if before is None and after is not None else before or ""
    return f"{before or '(empty)'} -> {after or '(empty)'}"


def _service_text(text: str | None, key: str) -> str | None:
    """A service without the name and type that its key says already."""
    return text.split(" ", 2)[2] if text and key.count("/") else text


def plan_lines(plan: Plan) -> Iterator[str]:
    """The whole plan, and what it needs of Postfix."""
    if plan.empty:
        yield "  no changes"
        return
    yield from change_lines(plan.changes, len(plan.changes))
    yield ""
    for step in plan.steps:
        alone = step is Activation.NOTHING
        yield f"  needs nothing of Postfix, only of {needs(plan)}" if alone else f"  needs a {step.value}"


def needs(plan: Plan) -> str:
    """What a plan needs, in a word: reload, restart, the companions whose files change when that is all, or nothing."""
    beside = {change.what.split("/")[1] for change in plan.changes if change.what.startswith(BESIDE)}
    steps = [", ".join(sorted(beside)) if step is Activation.NOTHING else step.value for step in plan.steps]
    return ", ".join(steps) or "nothing"


def flow_line(flows: int, findings: Iterable[Finding], *, played: bool) -> str:
    """How the mail-flow tests went, in a few words."""
    if not played:
        return f"flows: {flows} not played, there was no rehearsal"
    failed = sum(finding.rule == "flow-fails" for finding in findings)
    return f"flows: {flows - failed} of {flows} hold"


def push_lines(changes: Sequence[Change], findings: Iterable[Finding]) -> Iterator[str]:
    """What a push would change, for the one who pushes, and what is doubtful about it."""
    yield from change_lines(changes)
    if not changes:
        yield "  no changes for this host"
    yield from (f"  {line}" for line in finding_lines(findings))
    yield ""


def finding_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """One unwrapped line each, errors first."""
    for finding in sorted(findings, key=lambda finding: (not finding.is_error, finding.where)):
        yield str(finding)


def outcome_lines(outcome: Outcome, seconds: float, generation: int | None, live: str) -> Iterator[str]:
    """How a pass ended, for the one who pushed; *live* is the short oid of what is live now."""
    stays = f"generation {generation} ({live}) stays live" if generation is not None else "nothing of ours is live yet"
    match outcome:
        case Applied():
            before = f" ({generation - 1} stays on disk for a rollback)" if generation else ""
            yield f"live and verified after {seconds:.1f} s as generation {generation}{before}"
        case Unchanged():
            yield f"nothing to do: live is what this commit asks for (generation {generation})"
        case Refused(findings):
            yield "refused, nothing changed"
            yield from (f"  {line}" for line in finding_lines(findings))
            yield stays
        case RolledBack(findings):
            why = [_PROVISIONAL[finding.rule] for finding in findings if finding.rule in _PROVISIONAL]
            yield f"rolled back after {seconds:.1f} s: {why[0] if why else 'it went live and did not answer'}"
            yield from (f"  {line}" for line in finding_lines(findings))
            yield f"generation {generation} ({live}) is live again"
        case Broken(findings):
            yield "BROKEN: it did not answer, and the rollback failed too; an administrator must act now"
            yield from (f"  {line}" for line in finding_lines(findings))
        case Postponed(reason):
            yield f"postponed: {reason}"
            yield stays
        case Superseded(by):
            yield f"superseded by {by[:7]}, which came right after it"


def probation_line(phase: dict[str, Any]) -> str:
    """That a commit is provisional, until when in local time, and what ends that."""
    until = datetime.fromisoformat(phase["until"]).astimezone().strftime("%H:%M")
    if phase["confirm"]:
        return f"rolled back at {until} unless `reconciler confirm` is run"
    return f"watching real traffic until {until}"
