"""The outbox: each conclusion once and in order, whatever fails meanwhile."""

from __future__ import annotations

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
