"""The steps of a command are shown from its second second on, on a terminal only."""

from __future__ import annotations

import sys
import time

import click
import pytest

from reconciler.commands import progress as module
from reconciler.commands.progress import Steps


def begun(monkeypatch: pytest.MonkeyPatch, *, terminal: bool = True) -> Steps:
    """Return the progress of `reconciler plan`, for which a second is short."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with click.Context(click.Group(), info_name="reconciler") as parent:
        progress = Steps()
        with click.Context(click.Command("plan"), info_name="plan", parent=parent):
            progress.begin()
    return progress


def test_a_command_that_lasts_shows_what_it_does_and_each_later_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = begun(monkeypatch)
    shown, deadline = "", time.monotonic() + 10
    while not shown.endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.01)
        shown += capsys.readouterr().err
    assert shown == "  plan ...\n"

    progress.step("rehearse")
    progress.end()
    progress.step("swap and reload")

    assert capsys.readouterr().err == "  rehearse ...\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_short_command_shows_nothing_and_off_a_terminal_none_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool
) -> None:
    progress = begun(monkeypatch, terminal=terminal)
    progress.step("rehearse")
    if terminal:
        progress.end()
    time.sleep(0.2)

    assert capsys.readouterr().err == ""
