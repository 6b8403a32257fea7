"""next_phase(phase, outcome, ...) alone decides what the daemon does between passes.

A probation continues beneath Retrying, Refusing and Suspended, and the daemon returns to it when they end. Its time is
counted on a clock that cannot be set and that stops while the host is off. After a boot it starts again, because the
length of the downtime is unknown.

Pure: the time is an argument. The diagram in ARCHITECTURE.md is drawn from TRANSITIONS, and a test compares the table
with next_phase(). Raises nothing.
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
    """The reason for a pass."""

    START = "start"
    PUSH = "push"
    DRIFT = "drift"
    TIMER = "timer"
    SIGNAL = "signal"
    OPERATOR = "operator"
    CERTIFICATE = "certificate"
    SECRET = "secret"  # noqa: S105 - a name, not a password


class Clock(NamedTuple):
    """The seconds since the host booted, times of sleep included, and the identity of that boot."""

    boot: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Steady:
    """Live is what the branch requires."""


@dataclass(frozen=True, slots=True)
class Probation:
    """*generation* is live on probation *until* a time; a fault of our configuration in the mail log rolls it back.

    With *confirm*, it is also rolled back unless a person confirms it in time. It lasts *lasts* seconds from *since*.
    *mark* is the position in the mail log right before *revision* went live. *earlier* is the probation that
    *revision* interrupted.
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
    """*revision* is quarantined; it is not tried again until the branch moves or an operator requests it."""

    revision: str
    probation: Probation | None = None


@dataclass(frozen=True, slots=True)
class Suspended:
    """No pass changes anything; *who* asked for that, and *why* is the reason.

    It ends at *until* or when the branch leaves *tip*, if these are set, or when an operator runs resume.
    *quarantined* is the revision that a rollback left. A *probation* waits: meanwhile there is no automatic rollback.
    """

    why: str
    who: str
    until: datetime | None = None
    tip: str = ""
    quarantined: str = ""
    probation: Probation | None = None


@dataclass(frozen=True, slots=True)
class Halted:
    """Rolling back failed; an operator's resume ends this phase, or a later commit that goes live."""

    reason: str


Phase = Steady | Probation | Retrying | Refusing | Suspended | Halted
TRANSITIONS = (
    ("Steady", "a commit is Applied", "Probation"),
    ("Steady", "Applied, Unchanged", "Steady"),
    ("Steady", "Postponed, or Refused without a lasting error", "Retrying"),
    ("Steady", "Refused with a lasting error, or RolledBack", "Refusing"),
    ("Steady", "Broken", "Halted"),
    ("Probation", "a commit is Applied", "Probation"),
    ("Probation", "Applied, Unchanged", "Probation"),
    ("Probation", "its time is over, or confirm", "Steady"),
    ("Probation", "Postponed, or Refused without a lasting error", "Retrying"),
    ("Probation", "Refused with a lasting error, or RolledBack", "Refusing"),
    ("Probation", "Broken", "Halted"),
    ("Retrying", "a commit is Applied", "Probation"),
    ("Retrying", "Applied, Unchanged", "Steady"),
    ("Retrying", "Postponed, or Refused without a lasting error", "Retrying"),
    ("Retrying", "Refused with a lasting error, or RolledBack", "Refusing"),
    ("Retrying", "Broken", "Halted"),
    ("Refusing", "the branch moves, or once REV", "Steady"),
    ("Steady", "suspend, rollback, rescue", "Suspended"),
    ("Suspended", "its time is over, the branch moves, or resume", "Steady"),
    ("Halted", "a commit is Applied", "Probation"),
    ("Halted", "Applied, Unchanged", "Steady"),
    ("Halted", "resume", "Steady"),
)


def next_phase(phase: Phase, outcome: Outcome, revision: str, begun: Probation | None = None) -> Phase:
    """Return the phase after a pass for *revision*; *begun* is the probation of a commit that has just gone live."""
    running = probation_of(phase)
    match outcome:
        case Applied() if begun:
            return replace(begun, earlier=_good_enough(running))
        case Applied() | Unchanged():
            return phase if isinstance(phase, Refusing) and phase.revision != revision else running or Steady()
        case Refused() | RolledBack() | Postponed() if isinstance(phase, Halted):
            return phase
        case Refused(findings):
            if any(finding.lasting for finding in errors_in(findings)):
                return Refusing(revision, running)
            return _again(phase, revision, str(errors_in(findings)[0]) if errors_in(findings) else "refused")
        case RolledBack():
            return Refusing(revision, running)
        case Broken(findings):
            return Halted(str(findings[0]) if findings else "rolling back failed")
        case Postponed(reason):
            return _again(phase, revision, reason)
        case Superseded():
            return phase
        case _:
            assert_never(outcome)


def _good_enough(running: Probation | None) -> Probation | None:
    """Return a probation after a newer commit went live; only faults in the mail log count now, no confirmation."""
    return replace(running, confirm=False) if running and running.watched else None


def _again(phase: Phase, revision: str, reason: str) -> Retrying:
    before = phase.attempts if isinstance(phase, Retrying) and phase.revision == revision else 0
    return Retrying(revision, before + 1, reason, probation_of(phase))


def pause(phase: Phase) -> float | None:
    """Return the seconds until a Retrying phase tries again: they double, up to five minutes. None for other phases."""
    if not isinstance(phase, Retrying):
        return None
    return pause_after(phase.attempts)


def pause_after(attempts: int) -> float:
    """Return the seconds to wait after so many attempts."""
    return float(min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE))


def next_allowed(history: Sequence[float], now: float, interval: float) -> float:
    """Return the time of the next permitted reload; *history* holds earlier ones, oldest first, on the clock of *now*.

    Three reloads are free, and every *interval* seconds one becomes free again. So a short burst is served at once, and
    a long one at that rate.
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
    """Return the probation that is the phase or that continues beneath it."""
    match phase:
        case Probation():
            return phase
        case Retrying(probation=running) | Refusing(probation=running) | Suspended(probation=running):
            return running
        case _:
            return None


def on_probation(phase: Phase, running: Probation | None) -> Phase:
    """Return the same phase with another probation, or with none if the old one ended."""
    match phase:
        case Probation():
            return running or Steady()
        case Retrying() | Refusing() | Suspended():
            return replace(phase, probation=running)
        case _:
            return phase


def left(running: Probation, clock: Clock) -> float:
    """Return the seconds until the probation is over; changes of the wall clock have no effect."""
    if running.since.boot != clock.boot:
        return running.lasts
    return min(max(running.lasts - (clock.seconds - running.since.seconds), 0.0), running.lasts)


def carried_on(running: Probation, clock: Clock, now: datetime) -> Probation:
    """Return the same probation for this boot; the time of one from an earlier boot starts again."""
    if running.since.boot == clock.boot:
        return running
    return replace(running, since=clock, until=now + timedelta(seconds=running.lasts))


def failed(phase: Phase, running: Probation, mark: tuple[int, int, str]) -> Phase:
    """Return the phase after *running* was rolled back.

    Its commit is quarantined, and the probation before it continues from *mark* in the mail log. A later commit that is
    already quarantined stays quarantined.
    """
    earlier = replace(running.earlier, mark=mark) if running.earlier else None
    return replace(phase, probation=earlier) if isinstance(phase, Refusing) else Refusing(running.revision, earlier)


# ---- the end of a phase, by time, branch or operator -----------------------------------------------------------------


def ended(phase: Phase, tip: str, now: datetime) -> Phase:
    """Return the phase for this time and branch: a suspension may end, and so may a quarantine or retries."""
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
    """Return the revision in quarantine, which a suspension keeps, or an empty text."""
    match phase:
        case Refusing(revision) | Suspended(quarantined=revision):
            return revision
        case _:
            return ""


def resumed(phase: Phase) -> Phase:
    """Return the phase after an operator ran resume."""
    if isinstance(phase, Suspended) and phase.quarantined:
        return Refusing(phase.quarantined, phase.probation)
    if isinstance(phase, Suspended):
        return phase.probation or Steady()
    return Steady() if isinstance(phase, Halted) else phase
