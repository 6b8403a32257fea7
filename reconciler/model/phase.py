"""next_phase(phase, outcome, ...) and nothing else decides what the daemon does between passes.

A probation goes on beneath the phases that a later commit, a failed attempt or an operator brings about, and is what
they end in. Its time is counted on a clock that can't be set and that stands still while the host is off; after a
boot it begins anew, for nothing tells how long the host was away.

Pure: time enters as an argument. TRANSITIONS is the table that ARCHITECTURE.md's diagram is drawn from; a test holds it
to next_phase(). Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, assert_never

from reconciler.model.finding import errors_in
from reconciler.model.outcome import Applied, Broken, Outcome, Postponed, Refused, RolledBack, Superseded, Unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
FREE_RELOADS = 3


class Wake(StrEnum):
    """Why the daemon woke."""

    START = "start"
    PUSH = "push"
    DRIFT = "drift"
    TIMER = "timer"
    SIGNAL = "signal"
    OPERATOR = "operator"
    CERTIFICATE = "certificate"
    SECRET = "secret"  # noqa: S105 - a word, not one


class Clock(NamedTuple):
    """Seconds since the host booted, asleep or awake, and which boot that was."""

    boot: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Steady:
    """Live is what the branch asks for."""


@dataclass(frozen=True, slots=True)
class Probation:
    """*generation* is live, provisionally *until* then: it is rolled back when real traffic meets a cause of ours.

    With *confirm* it goes back as well unless a person confirms it in time. *lasts* seconds count from *since*;
    *mark* is where the mail log stood right before *revision* went live, and *earlier* the probation it cut short.
    """

    generation: int
    until: datetime
    revision: str
    since: Clock
    lasts: float
    mark: tuple[int, int, str] = (0, 0, "")
    watched: bool = True
    confirm: bool = False
    earlier: Probation | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Retrying:
    """*revision* failed for a reason of the moment, *attempts* times in a row."""

    revision: str
    attempts: int
    reason: str
    probation: Probation | None = None


@dataclass(frozen=True, slots=True)
class Refusing:
    """*revision* is quarantined: not tried again until the branch moves or an operator says so."""

    revision: str
    probation: Probation | None = None


@dataclass(frozen=True, slots=True)
class Suspended:
    """No pass changes anything, because *who* said *why*.

    It ends at *until*, or when the branch leaves *tip*, whichever is set, or by resume. *quarantined* is the revision
    that a rollback left behind. A *probation* waits: no automatic rollback happens meanwhile.
    """

    why: str
    who: str
    until: datetime | None = None
    tip: str = ""
    quarantined: str = ""
    probation: Probation | None = None


@dataclass(frozen=True, slots=True)
class Halted:
    """The undo failed: only resume by a person leaves it."""

    reason: str


Phase = Steady | Probation | Retrying | Refusing | Suspended | Halted
TRANSITIONS = (
    ("Steady", "a commit is Applied", "Probation"),
    ("Steady", "Applied, Unchanged", "Steady"),
    ("Steady", "Postponed, or Refused for the moment", "Retrying"),
    ("Steady", "Refused for good, or RolledBack", "Refusing"),
    ("Steady", "Broken", "Halted"),
    ("Probation", "a commit is Applied", "Probation"),
    ("Probation", "Applied, Unchanged", "Probation"),
    ("Probation", "its time, or confirm", "Steady"),
    ("Probation", "Postponed, or Refused for the moment", "Retrying"),
    ("Probation", "Refused for good, or RolledBack", "Refusing"),
    ("Probation", "Broken", "Halted"),
    ("Retrying", "a commit is Applied", "Probation"),
    ("Retrying", "Applied, Unchanged", "Steady"),
    ("Retrying", "Postponed, or Refused for the moment", "Retrying"),
    ("Retrying", "Refused for good, or RolledBack", "Refusing"),
    ("Retrying", "Broken", "Halted"),
    ("Refusing", "the branch moves, or once REV", "Steady"),
    ("Steady", "suspend, rollback, rescue", "Suspended"),
    ("Suspended", "its time, the branch, or resume", "Steady"),
    ("Halted", "resume", "Steady"),
)


def next_phase(phase: Phase, outcome: Outcome, revision: str, begun: Probation | None = None) -> Phase:
    """The phase after a pass for *revision* ended so; *begun* is the probation of a commit that has just gone live."""
    running = probation_of(phase)
    match outcome:
        case Applied() if begun:
            return replace(begun, earlier=_good_enough(running))
        case Applied() | Unchanged():
            return phase if isinstance(phase, Refusing) and phase.revision != revision else running or Steady()
        case Refused(findings):
            if any(finding.lasting for finding in errors_in(findings)):
                return Refusing(revision, running)
            return _again(phase, revision, str(errors_in(findings)[0]) if errors_in(findings) else "refused")
        case RolledBack():
            return Refusing(revision, running)
        case Broken(findings):
            return Halted(str(findings[0]) if findings else "the undo failed")
        case Postponed(reason):
            return _again(phase, revision, reason)
        case Superseded():
            return phase
        case _:
            assert_never(outcome)


def _good_enough(running: Probation | None) -> Probation | None:
    """What is left of a probation once a newer commit went live on top: only causes of its own count against it."""
    return replace(running, confirm=False) if running and running.watched else None


def _again(phase: Phase, revision: str, reason: str) -> Retrying:
    before = phase.attempts if isinstance(phase, Retrying) and phase.revision == revision else 0
    return Retrying(revision, before + 1, reason, probation_of(phase))


def pause(phase: Phase) -> float | None:
    """Seconds until a Retrying phase tries again: they double, up to five minutes. None for every other phase."""
    if not isinstance(phase, Retrying):
        return None
    return float(min(FIRST_PAUSE * 2 ** min(phase.attempts - 1, 10), LONGEST_PAUSE))


def next_allowed(history: Sequence[float], now: float, interval: float) -> float:
    """When the next reload may be: *history* are the times of earlier ones, oldest first, on the same clock as *now*.

    Three are free, and each comes back after *interval* seconds: a burst is answered at once, a storm at that pace.
    """
    free, at = float(FREE_RELOADS), None
    for then in history:
        free = min(FREE_RELOADS, free + (then - at) / interval) if at is not None and interval else free
        free, at = max(free - 1, 0), then
    if at is None or not interval:
        return now
    return max(now, at + (1 - free) * interval)


# ---- the probation ---------------------------------------------------------------------------------------------------


def probation_of(phase: Phase) -> Probation | None:
    """The probation that is the phase, or goes on beneath it."""
    match phase:
        case Probation():
            return phase
        case Retrying(probation=running) | Refusing(probation=running) | Suspended(probation=running):
            return running
        case _:
            return None


def on_probation(phase: Phase, running: Probation | None) -> Phase:
    """The same phase with another probation, or none: one that was over, confirmed, or overtaken."""
    match phase:
        case Probation():
            return running or Steady()
        case Retrying() | Refusing() | Suspended():
            return replace(phase, probation=running)
        case _:
            return phase


def left(running: Probation, clock: Clock) -> float:
    """Seconds until the probation is over, whatever became of the wall clock."""
    if running.since.boot != clock.boot:
        return running.lasts
    return min(max(running.lasts - (clock.seconds - running.since.seconds), 0.0), running.lasts)


def carried_on(running: Probation, clock: Clock, now: datetime) -> Probation:
    """The same probation in this boot of the host: one of an earlier boot begins its time anew."""
    if running.since.boot == clock.boot:
        return running
    return replace(running, since=clock, until=now + timedelta(seconds=running.lasts))


def failed(phase: Phase, running: Probation, mark: tuple[int, int, str]) -> Phase:
    """The phase after *running* went back: its commit is quarantined, and the one before it proves itself from *mark*.

    A commit that is quarantined on top of it stays so.
    """
    earlier = replace(running.earlier, mark=mark) if running.earlier else None
    return replace(phase, probation=earlier) if isinstance(phase, Refusing) else Refusing(running.revision, earlier)


# ---- what ends by itself, or by a person -----------------------------------------------------------------------------


def ended(phase: Phase, tip: str, now: datetime) -> Phase:
    """The phase once time and branch are looked at: a suspension ends, a quarantine is left behind."""
    match phase:
        case Suspended(until=until) if until is not None and now >= until:
            return resumed(phase)
        case Suspended(tip=seen) if seen and tip and tip != seen:
            return phase.probation or Steady()
        case Refusing(revision) | Retrying(revision=revision) if tip and revision != tip:
            return phase.probation or Steady()
        case _:
            return phase


def quarantined(phase: Phase) -> str:
    """The revision in quarantine, which a suspension must not forget."""
    match phase:
        case Refusing(revision) | Suspended(quarantined=revision):
            return revision
        case _:
            return ""


def resumed(phase: Phase) -> Phase:
    """The phase after a person said resume."""
    if isinstance(phase, Suspended) and phase.quarantined:
        return Refusing(phase.quarantined, phase.probation)
    if isinstance(phase, Suspended):
        return phase.probation or Steady()
    return Steady() if isinstance(phase, Halted) else phase
