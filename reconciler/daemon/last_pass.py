"""The problems that the last pass left to the daemon, and the time of the next pass by timer. Raises nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.model.phase import FIRST_PAUSE, Suspended, pause
from reconciler.passes.hand_edit import rules_end

if TYPE_CHECKING:
    from reconciler.host.settings import Settings
    from reconciler.model.phase import Phase
    from reconciler.passes.record import Passed


@dataclass(frozen=True, slots=True)
class LastPass:
    """The reason why a pass was not recorded, the note that was not written, and whether panels' requests wait.

    *bug* is a bug in reconciler that ended the work around a pass.
    """

    unrecorded: str = ""
    lost_note: str = ""
    requests_wait: bool = False
    bug: str = ""

    def recorded(self, passed: Passed) -> LastPass:
        """Return the value after a pass, which was recorded or not."""
        return replace(self, unrecorded=str(getattr(passed.outcome, "reason", "")) if passed.unrecorded else "")

    def noted(self, passed: Passed) -> LastPass:
        """Return the value after a pass; one without a conclusion writes no note, so it keeps the earlier one."""
        return replace(self, lost_note=passed.lost_note) if passed.conclusion else self

    def due_in(self, phase: Phase, settings: Settings) -> float:
        """Return the seconds until the next pass by timer."""
        due = min(settings.resync, pause(phase) or settings.resync, rules_end(settings.drift_ignore))
        if self.unrecorded or self.requests_wait:
            due = min(due, FIRST_PAUSE)
        if isinstance(phase, Suspended) and phase.until:
            due = min(due, max((phase.until - datetime.now(UTC)).total_seconds(), 0.1))
        return due

    @property
    def troubles(self) -> list[str]:
        """The problems as `reconciler status` shows them."""
        record = [f"nothing can be recorded: {self.unrecorded}"] if self.unrecorded else []
        note = [f"not written: {self.lost_note}"] if self.lost_note else []
        return [*record, *note, *([self.bug] if self.bug else [])]
