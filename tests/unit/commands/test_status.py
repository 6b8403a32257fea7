"""``reconciler status`` asks the daemon first, and a daemon that is silent is none that is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from click.testing import CliRunner

from reconciler.commands import status as module
from reconciler.commands.main import main
from reconciler.model.errors import ReconcilerError, SilentDaemon, Unavailable
from reconciler.passes import status as state
from tests.unit.well_status import WELL

if TYPE_CHECKING:
    from reconciler.passes.status import Known


@pytest.mark.parametrize(
    ("error", "unanswered"),
    [(SilentDaemon("late"), "the daemon did not answer within 10 s"), (Unavailable("it is not running"), "")],
)
def test_a_daemon_that_is_silent_is_none_that_is_missing(
    error: ReconcilerError, unanswered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fails(*_: object) -> None:
        raise error

    def status(_edges: object, known: Known, *, daemon: bool) -> object:
        asked.append(known.unanswered)
        assert not daemon
        return WELL | {"verdict": {"level": "attention", "text": "x", "also": [], "next": "y"}}

    monkeypatch.setattr(module, "ask", fails)
    monkeypatch.setattr(state, "status", status)
    monkeypatch.setattr("reconciler.commands.console.Context.permitted", lambda _self: cast("object", None))

    ran = CliRunner().invoke(main, ["status", "--json"])

    assert ran.exit_code == 1, ran.output
    assert asked == [unanswered]
