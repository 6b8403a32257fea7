"""The problems that the last pass left to the daemon, and the time of the next pass by timer. Raises nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.desired.lint import SAME
from reconciler.model import Applied, Severity, Unchanged
from reconciler.model.phase import Suspended, pause, pause_after
from reconciler.passes.drift import rules_end
from reconciler.state.locks import BUSY, PACKAGES_CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.host.settings import Settings
    from reconciler.model import Finding, Outcome
    from reconciler.model.phase import Phase
    from reconciler.passes.record import Passed


@dataclass(frozen=True, slots=True)
class LastPass:
    """Why no pass was made or recorded, the note that was not written, and whether panels' requests wait.

    *bug* is a bug in reconciler that ended the work around a pass. *faults* are errors of what is live that the pass
    met, such as a server that does not answer. *held_back* counts the times in a row that a recovery had to wait, and
    *met* those that another pass was running: it usually ends before the next try. *blocked* says that such a pass or
    dpkg was in the way.
    """

    unrecorded: str = ""
    lost_note: str = ""
    requests_wait: bool = False
    bug: str = ""
    faults: tuple[Finding, ...] = ()
    held_back: int = 0
    met: int = 0
    blocked: bool = False

    def recorded(self, passed: Passed) -> LastPass:
        """Return the value after a pass, which was recorded or not."""
        what = "no pass can be made now" if passed.busy else "nothing can be recorded"
        reason = getattr(passed.outcome, "reason", "")
        unrecorded = f"{what}: {reason}" if passed.unrecorded else ""
        held_back = self.held_back + 1 if passed.held_back else 0
        met = self.met + 1 if passed.unrecorded and reason == BUSY else 0
        blocked = passed.unrecorded and reason in {BUSY, PACKAGES_CHANGE}
        faults = tuple(_faults(passed.outcome))
        return replace(
            self, unrecorded=unrecorded, faults=faults, held_back=held_back, met=met, blocked=blocked
        )  # fmt: skip

    def noted(self, passed: Passed) -> LastPass:
        """Return the value after a pass; one without a conclusion writes no note, so it keeps the earlier one."""
        return replace(self, lost_note=passed.lost_note) if passed.conclusion else self

    def due_in(self, phase: Phase, settings: Settings) -> float:
        """Return the seconds until the next pass by timer."""
        due = min(settings.resync, pause(phase) or settings.resync, rules_end(settings.drift_ignore))
        if self.unrecorded or self.requests_wait:
            due = min(due, pause_after(max(self.held_back, 1)))
        if isinstance(phase, Suspended) and phase.until:
            due = min(due, max((phase.until - datetime.now(UTC)).total_seconds(), 0.1))
        return due

    @property
    def limits(self) -> list[str]:
        """What `reconciler status` shows, and reconciler does later by itself."""
        return [f"not written: {self.lost_note}"] if self.lost_note else []

    def urgent(self, is_free: Callable[[], bool]) -> list[str]:
        """Return the problems of reconciler itself that an operator must look at.

        Another pass, or dpkg, that stopped the last pass is reported only while it runs; *is_free* returns whether it
        has ended. The daemon then makes the next pass without an operator.
        """
        is_over = self.met == 1 or (self.blocked and is_free())
        return [*filter(None, ("" if is_over else self.unrecorded, self.bug))]


def _faults(outcome: Outcome) -> Iterator[Finding]:
    """Yield the errors that are true of what is live after a pass, and that refused nothing.

    One that the commit had in common with what was live is an error of the commit, now that the commit is live.
    """
    for one in outcome.findings if isinstance(outcome, Applied | Unchanged) else ():
        excused = one.text.removesuffix(f" ({SAME})")
        if one.is_error or excused != one.text:
            yield replace(one, severity=Severity.ERROR, text=excused)
