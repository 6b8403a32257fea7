"""A rollback that waits is tried again after growing pauses, and not at each line that asking Postfix logs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.daemon import probation_watch as module
from reconciler.daemon.probation_watch import GATHER, ProbationWatch
from reconciler.model.phase import Clock, Probation
from tests.unit.adopted_folder import Adopted
from tests.unit.daemon.test_renewals import STOPS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from reconciler.apply.edges import Edges


class _Look:
    """A look that finds nothing by itself."""

    def __init__(self, running: Probation, _: Edges) -> None:
        self.running = running
        self.doubted: dict[str, str] = {}

    def is_of(self, _: Probation) -> bool:
        return True

    def witness(self) -> None:
        pass

    def due(self, _: float) -> float:
        return 60.0


def test_a_rollback_that_waits_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adopted = Adopted.made_in(tmp_path)
    running = Probation(
        generation=1, until=datetime.now(UTC), revision="abc", since=Clock("boot", time.monotonic()), lasts=600
    )
    adopted.edges.journal.set_phase(running)
    watch, well = ProbationWatch(adopted.edges), [False, False, False, True]
    monkeypatch.setattr(module, "Look", _Look)

    def prove(*_: object) -> None:
        if not well.pop(0):
            raise STOPS

    monkeypatch.setattr(module, "prove", prove)
    for _ in range(3):
        watch.look()
    assert "rolling back abc waits" in watch.waiting
    at = watch.at
    assert at > time.monotonic() + GATHER
    watch.look_soon()
    assert watch.at == at
    watch.look()
    assert watch.waiting == ""
    watch.look_soon()
    assert watch.at <= time.monotonic() + GATHER
