"""What the last pass leaves to the daemon until the next one: what could not be written, and requests that wait.

Pure. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.passes.record import Passed


@dataclass(frozen=True, slots=True)
class LastPass:
    """Why it could not be recorded, the note that could not be written, and whether panels' requests still wait."""

    unrecorded: str = ""
    lost_note: str = ""
    requests_wait: bool = False

    def recorded(self, passed: Passed) -> LastPass:
        """The same after that pass was made, which is on record or is not."""
        return replace(self, unrecorded=str(getattr(passed.outcome, "reason", "")) if passed.unrecorded else "")

    def noted(self, passed: Passed) -> LastPass:
        """The same after that conclusion; a pass that concludes nothing writes no note, and so loses none."""
        return replace(self, lost_note=passed.lost_note) if passed.line else self

    @property
    def soon(self) -> bool:
        """Whether the next pass must not wait for the resync."""
        return bool(self.unrecorded) or self.requests_wait

    @property
    def troubles(self) -> list[str]:
        """What `reconciler status` says of it."""
        record = [f"nothing can be recorded: {self.unrecorded}"] if self.unrecorded else []
        return [*record, *([f"not written: {self.lost_note}"] if self.lost_note else [])]
