"""next_phase(phase, outcome, ...) and nothing else decides what the daemon does between passes.

Pure: time enters as an argument. TRANSITIONS is the table that ARCHITECTURE.md's diagram is drawn from; a test holds it
to next_phase().
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from reconciler.model import Applied, Broken, Outcome, Postponed, Refused, RolledBack, Superseded, Unchanged, errors_in

if TYPE_CHECKING:
    from datetime import datetime

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0


@dataclass(frozen=True, slots=True)
class Steady:
    """Live is what the branch asks for."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """*revision* failed for a reason of the moment, *attempts* times in a row."""

    revision: str
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refusing:
    """*revision* is quarantined: not tried again until the branch moves or an operator says so."""

    revision: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """No pass changes anything, because *who* said *why*.

    It ends at *until*, or when the branch leaves *tip*, whichever is set, or by resume. *quarantined* is the revision
    that a rollback left behind.
    """

    why: str
    who: str
    until: datetime | None = None
    tip: str = ""
    quarantined: str = ""


@dataclass(frozen=True, slots=True)
class Halted:
    """The undo failed: only resume by a person leaves it."""

    reason: str


Phase = Steady | Retrying | Refusing | Suspended | Halted

TRANSITIONS = (
    ("Steady", "Applied, Unchanged", "Steady"),
    ("Steady", "Postponed, or Refused for the moment", "Retrying"),
    ("Steady", "Refused for good, or RolledBack", "Refusing"),
    ("Steady", "Broken", "Halted"),
    ("Retrying", "Applied, Unchanged", "Steady"),
    ("Retrying", "Postponed, or Refused for the moment", "Retrying"),
    ("Retrying", "Refused for good, or RolledBack", "Refusing"),
    ("Retrying", "Broken", "Halted"),
    ("Refusing", "the branch moves, or once REV", "Steady"),
    ("Steady", "suspend, rollback, rescue", "Suspended"),
    ("Suspended", "its time, the branch, or resume", "Steady"),
    ("Halted", "resume", "Steady"),
)


def next_phase(phase: Phase, outcome: Outcome, revision: str) -> Phase:
    """The phase after a pass for *revision* ended so."""
    match outcome:
        case Applied() | Unchanged():
            return phase if isinstance(phase, Refusing) and phase.revision != revision else Steady()
        case Refused(findings):
            if any(finding.lasting for finding in errors_in(findings)):
                return Refusing(revision)
            return _again(phase, revision, str(errors_in(findings)[0]) if errors_in(findings) else "refused")
        case RolledBack():
            return Refusing(revision)
        case Broken(findings):
            return Halted(str(findings[0]) if findings else "the undo failed")
        case Postponed(reason):
            return _again(phase, revision, reason)
        case Superseded():
            return phase
        case _:
            assert_never(outcome)


def _again(phase: Phase, revision: str, reason: str) -> Retrying:
    before = phase.attempts if isinstance(phase, Retrying) and phase.revision == revision else 0
    return Retrying(revision, before + 1, reason)


def pause(phase: Phase) -> float | None:
    """Seconds until a Retrying phase tries again: they double, up to five minutes. None for every other phase."""
    if not isinstance(phase, Retrying):
        return None
    return float(min(FIRST_PAUSE * 2 ** min(phase.attempts - 1, 10), LONGEST_PAUSE))


def ended(phase: Phase, tip: str, now: datetime) -> Phase:
    """The phase once time and branch are looked at: a suspension ends, a quarantine is left behind."""
    match phase:
        case Suspended(until=until) if until is not None and now >= until:
            return resumed(phase)
        case Suspended(tip=seen) if seen and tip and tip != seen:
            return Steady()
        case Refusing(revision) | Retrying(revision=revision) if tip and revision != tip:
            return Steady()
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
        return Refusing(phase.quarantined)
    return Steady() if isinstance(phase, Suspended | Halted) else phase
