"""Reports for people: plans, outcomes and probations as lines of plain text, for a terminal and for git alike.

Pure. The lines have no colour; their readers add it. changes.py says how a change reads; a finding is one line that
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
    Effect,
    Postponed,
    Refused,
    RolledBack,
    Superseded,
    Unchanged,
    printable,
)
from reconciler.trees.changes import MOST, WIDTH, change_lines, totals_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from reconciler.model import Change, Finding, Outcome, Plan
    from reconciler.model.finding import Told
    from reconciler.postfix.root_equivalent import Power

ALIKE = 10
_CONSEQUENCES = frozenset({"flow-fails"})
_PROVISIONAL = {
    "cause-in-traffic": "real traffic met a fault of its configuration",
    "turned-away": "mail for its own recipients was turned away",
    "not-confirmed": "no operator confirmed it in time",
}


OF_VERIFYING = frozenset({
    "mail-waits", "mail-refused", "sendmail-fails", "nothing-verified", "service-fails", "service-silent",
})  # fmt: skip
"""The rules that find something after the swap only, when the other findings have been shown."""
_UNSOUND = OF_VERIFYING - {"mail-refused", "sendmail-fails"}


_GROUPS = {
    Effect.DIFFERENT: "treated differently:",
    Effect.SAME: "the same, written differently:",
    Effect.DEFAULT: "defaults, written out or left out:",
}


def plan_lines(plan: Plan, width: int = WIDTH, *, whole: bool = False, implied: Sequence[Change] = ()) -> Iterator[str]:
    """Yield the whole plan, and what it needs of Postfix; *width*, *whole* and *implied* as in grouped_lines()."""
    if plan.empty:
        yield "  no changes"
        return
    yield from grouped_lines(plan.changes, width, whole=whole, implied=implied)
    for step in plan.steps:
        alone = step is Activation.NOTHING
        yield f"  needs nothing of Postfix, only of {needs(plan)}" if alone else f"  needs a {step.value}"


def grouped_lines(
    changes: Sequence[Change], width: int = WIDTH, *, whole: bool = False, implied: Sequence[Change] = ()
) -> Iterator[str]:
    """Yield all changes by what they do to mail, and their number.

    *implied* are the defaults that change with compatibility_level; *width* and *whole* as in changes.py.
    """
    groups = {title: [one for one in changes if one.effect is effect] for effect, title in _GROUPS.items()}
    titles = [title for title, members in groups.items() if members]
    different = groups[_GROUPS[Effect.DIFFERENT]]
    for title in titles:
        if len(titles) > 1 or not different:
            yield title
        yield from change_lines(groups[title], len(changes), width, whole=whole)
        if groups[title] is different and implied:
            yield "defaults that change with compatibility_level:"
            yield from change_lines(implied, len(implied), width, whole=whole)
        yield ""
    yield f"  {totals_line(changes)}" + ("" if different else ": nothing is treated differently")


def needs(plan: Plan) -> str:
    """Return what a plan needs in a word: reload, restart, nothing, or the companions if only their files change."""
    beside = {change.what.split("/")[1] for change in plan.changes if change.what.startswith(BESIDE)}
    steps = [", ".join(sorted(beside)) if step is Activation.NOTHING else step.value for step in plan.steps]
    return ", ".join(steps) or "nothing"


def flow_line(flows: int, findings: Iterable[Finding], *, played: bool) -> str:
    """Return the result of the mail-flow tests in a few words."""
    if not played:
        return f"flows: {flows} not run, there was no rehearsal"
    failed = sum(finding.rule == "flow-fails" for finding in findings)
    return f"flows: {flows - failed} of {flows} passed"


def power_lines(powers: Sequence[Power]) -> Iterator[str]:
    """Yield one line for each setting that lets its author act as another user, root first; at most MOST in all."""
    ordered = sorted(powers, key=lambda power: not power.is_root)
    yield from (f"  {printable(str(power))}" for power in ordered[:MOST])
    if len(ordered) > MOST:
        yield f"  ... and {len(ordered) - MOST} more settings that give their author the rights of other users"


def push_lines(
    changes: Sequence[Change], findings: Iterable[Finding], powers: Sequence[Power] = (),
    standing: Collection[Told] = (),
) -> Iterator[str]:  # fmt: skip
    """Yield for the pusher what a push would change, the rights that it gives its author, and its findings."""
    different = [change for change in changes if change.effect is Effect.DIFFERENT]
    others = len(changes) - len(different)
    yield from change_lines(different or changes)
    if different and others:
        yield f"  and {others} written differently, or as a default, with the same effect"
    if (different and others) or len(changes) > MOST:
        yield f"  {totals_line(changes)}"
    if not different:
        yield "  nothing is treated differently" if changes else "  no changes for this host"
    yield from power_lines(powers)
    yield from (f"  {line}" for line in finding_lines(findings, standing))
    yield ""


def finding_lines(findings: Iterable[Finding], standing: Collection[Told] = ()) -> Iterator[str]:
    """Yield one line for each finding with its rule, errors first, and their number at the end if there are several.

    A finding that only follows from others, such as a mail-flow test that fails, comes after them. Of more than ALIKE
    findings of one rule, the others are counted. The *standing* warnings, which were known before, are only counted.
    """
    told = list(findings)
    news = [one for one in told if one.is_error or one.told not in standing]
    ordered = sorted(news, key=lambda one: (not one.is_error, one.rule in _CONSEQUENCES, one.where))
    alike: dict[tuple[str, bool], list[Finding]] = {}
    for one in ordered:
        alike.setdefault((one.rule, one.is_error), []).append(one)
    shown = {id(one) for same in alike.values() for one in (same if len(same) <= ALIKE else same[:1])}
    for one in ordered:
        if id(one) in shown:
            same = alike[one.rule, one.is_error]
            yield f"{one}  [{one.rule}]"
            if len(same) > ALIKE:
                yield f"  and {len(same) - 1} more of {one.rule}, the next at {same[1].where}"
    if len(ordered) > 1:
        yield count_line(ordered)
    if as_before := len(told) - len(news):
        number, them = ("1 warning", "it") if as_before == 1 else (f"{as_before} warnings", "them")
        yield f"{number} as before; `reconciler explain` shows {them}"


def count_line(findings: Sequence[Finding]) -> str:
    """Return the numbers of errors and warnings."""
    errors = sum(one.is_error for one in findings)
    numbers = ((errors, "error"), (len(findings) - errors, "warning"))
    return ", ".join(f"{number} {what}{'s' * (number != 1)}" for number, what in numbers if number)


def outcome_lines(outcome: Outcome, seconds: float, generation: int | None, live: str) -> Iterator[str]:
    """Yield for the pusher how a pass ended; *live* is the short oid of the live commit."""
    stays = f"generation {generation} ({live}) stays live" if generation is not None else "no generation is live yet"
    match outcome:
        case Applied(findings, left_out, verified):
            before = f" ({generation - 1} stays for a rollback)" if generation else ""
            sound = verified and not any(one.rule in _UNSOUND for one in findings)
            yield f"live{' and verified' * bool(sound)} after {seconds:.1f} s as generation {generation}{before}"
            yield f"verified: {verified}" if verified else "not verified: Postfix does not run, or need not read it"
            yield from (f"  {line}" for line in finding_lines(one for one in findings if one.rule in OF_VERIFYING))
            yield from left_out_lines(left_out)
        case Unchanged(_, left_out):
            yield f"nothing to do: the live configuration already matches this commit (generation {generation})"
            yield from left_out_lines(left_out)
        case Refused(findings):
            yield "refused, nothing changed"
            yield from (f"  {line}" for line in finding_lines(findings))
            yield stays
        case RolledBack(findings):
            why = [_PROVISIONAL[finding.rule] for finding in findings if finding.rule in _PROVISIONAL]
            yield f"rolled back after {seconds:.1f} s: {why[0] if why else 'it failed activation or verification'}"
            yield from (f"  {line}" for line in finding_lines(findings))
            yield f"generation {generation} ({live}) is live again"
        case Broken(findings):
            yield "BROKEN: the commit failed, and the rollback failed too; an administrator must act now"
            yield from (f"  {line}" for line in finding_lines(findings))
        case Postponed(reason):
            yield f"postponed: {reason}"
            yield stays
        case Superseded(by):
            yield f"superseded by {by[:7]}, which was pushed right after it"


def left_out_lines(left_out: Mapping[str, str]) -> Iterator[str]:
    """Yield one line for each site that was left out of a commit, with the commit that it keeps its files from."""
    for site, oid in left_out.items():
        yield f"{site} is left out and " + (f"stays as in {oid[:7]}" if oid else "nothing of it is live")


def probation_line(phase: dict[str, Any]) -> str:
    """Return that a commit is on probation, until when in local time, and what ends the probation."""
    until = datetime.fromisoformat(phase["until"]).astimezone().strftime("%H:%M")
    if phase["confirm"]:
        return f"rolled back at {until} unless `reconciler confirm` is run"
    return f"watching real traffic until {until}"
