"""The outbox: each conclusion once and in order, whatever fails meanwhile."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from reconciler.daemon import outbox as module
from reconciler.daemon.outbox import Outbox
from reconciler.host.log import get
from reconciler.model import Unchanged
from reconciler.model.errors import Unavailable
from reconciler.state.records import Conclusion
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from reconciler.apply.edges import Edges
    from reconciler.state.records import ConclusionLine


class GoneError(BaseException):
    """As a panic of a library in Rust is, no Exception."""


def conclude(edges: Edges, *revisions: str) -> None:
    """Put a conclusion for each revision into the journal."""
    for revision in revisions:
        edges.journal.conclude(Conclusion(outcome=Unchanged(), revision=revision))


def soon(what: Callable[[], bool]) -> None:
    """Wait until it is true."""
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_conclusions_are_handed_over_in_order_and_once_also_by_the_next_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    edges, got, broken = Adopted.made_in(tmp_path).edges, list[str](), [True]

    def deliver(line: ConclusionLine) -> None:
        if broken[0] and line["revision"] == "c":
            raise Unavailable("it is down")
        got.append(line["revision"])

    conclude(edges, "a")
    first = Outbox("statuses.forge", "x.json", deliver, edges, get(host="mx"))
    first.start()
    conclude(edges, "b", "c", "d")
    first.ring()
    soon(lambda: bool(first.trouble))
    assert first.trouble == "statuses.forge: it is down; the results of passes wait for it"
    first.stop()
    assert got == ["b"], "not what was there before it began"

    conclude(edges, "e")
    broken[0] = False
    second = Outbox("statuses.forge", "x.json", deliver, edges, get(host="mx"))
    second.start()
    soon(lambda: len(got) == 4)
    second.stop()
    assert got == ["b", "c", "d", "e"]
    assert second.trouble == ""


def test_a_bug_is_told_and_the_outbox_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    edges, tries = Adopted.made_in(tmp_path).edges, list[str]()
    errors = [OSError("no route"), ValueError("a secret"), ValueError("a secret"), SyntaxWarning("x"), GoneError()]

    def deliver(line: ConclusionLine) -> None:
        tries.append(line["revision"])
        if len(tries) <= len(errors):
            raise errors[len(tries) - 1]
        soon(go.is_set)

    go = threading.Event()
    outbox = Outbox("statuses.forge", "x.json", deliver, edges, get(host="mx"))
    outbox.start()
    conclude(edges, "a", "b")
    outbox.ring()
    soon(lambda: len(tries) == len(errors) + 1)
    assert "statuses.forge: " in outbox.bug
    assert "a bug in reconciler: GoneError in " in outbox.bug
    assert "secret" not in outbox.bug
    assert outbox.trouble == ""
    go.set()
    soon(lambda: len(tries) == len(errors) + 2 and not outbox.bug)
    outbox.stop()
    assert tries == ["a"] * (len(errors) + 1) + ["b"]
    logged = capsys.readouterr().out
    for name in ("ValueError", "SyntaxWarning", "GoneError"):
        assert logged.count(f"a bug in reconciler: {name} in ") == 1


def test_one_that_fails_is_tried_again_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    edges, tries = Adopted.made_in(tmp_path).edges, list[str]()

    def deliver(line: ConclusionLine) -> None:
        tries.append(line["revision"])
        if len(tries) < 3:
            raise OSError("no route")

    outbox = Outbox("x", "x.json", deliver, edges, get(host="mx"))
    outbox.start()
    conclude(edges, "a", "b")
    outbox.ring()
    soon(lambda: len(tries) == 4 and not outbox.trouble)
    outbox.stop()
    assert tries == ["a", "a", "a", "b"]
