"""The fetcher: when it fetches, and what those who ask it get."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.daemon import fetcher as module
from reconciler.daemon.fetcher import Fetcher, pause
from reconciler.host.log import get
from reconciler.model.errors import Unavailable
from reconciler.model.phase import LONGEST_PAUSE, Wake
from reconciler.model.remote_url import read_url
from reconciler.repository.connection import RemoteFailed
from reconciler.repository.remote import Fetched
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., tuple[Fetcher, list[Wake]]]

ONE, TWO = "1" * 40, "2" * 40


class Remotes:
    """What the next fetches find, one after the other; each waits until it is let go. Pushes end as *pushes* says."""

    def __init__(self, *results: Fetched | Exception, pushes: Exception | None = None, busy: bool = False) -> None:
        self.results, self.fetches, self.pushes, self.busy = deque(results), 0, pushes, busy
        self.done = list[str]()
        self.pushing: Callable[[Remotes], None] = lambda _: None
        self.go, self.begun = threading.Semaphore(0), threading.Event()

    def fetch(self, *_: object, patience: float) -> Fetched:
        """Find the next one."""
        assert patience == module.PATIENCE
        self.fetches += 1
        self.begun.set()
        assert self.go.acquire(timeout=10)
        result = self.results.popleft()
        if isinstance(result, Exception):
            raise result
        return result

    def drain(self, *_: object) -> bool:
        """Make the commits of the panel."""
        self.done.append("drained")
        return self.busy

    def push(self, _: object) -> str:
        """Push what is new."""
        self.done.append("pushed")
        self.pushing(self)
        if isinstance(self.pushes, Exception):
            raise self.pushes
        return ""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make a fetcher that finds what it is given, and return it with the reasons to wake that it gave."""
    fetchers = list[tuple[Fetcher, Remotes]]()

    def make(remotes: Remotes, poll: float = 0.0) -> tuple[Fetcher, list[Wake]]:
        monkeypatch.setattr(module, "fetch", remotes.fetch)
        monkeypatch.setattr(module, "drain", remotes.drain)
        monkeypatch.setattr(module, "push_records", remotes.push)
        edges, woken = Adopted.made_in(tmp_path).edges, list[Wake]()
        settings = replace(edges.settings, url=read_url("/srv/forge.git"), poll=poll)
        fetchers.append((Fetcher(replace(edges, settings=settings), woken.append, get(host="mx")), remotes))
        fetchers[-1][0].start()
        assert remotes.begun.wait(10)
        return fetchers[-1][0], woken

    yield make
    for fetcher, remotes in fetchers:
        remotes.go.release()
        fetcher.stop()


def asked(fetcher: Fetcher, results: list[Any]) -> threading.Thread:
    """Ask in a thread, as a client's request does; its result is appended."""
    answer = fetcher.request({})
    assert next(answer) == {}
    thread = threading.Thread(target=lambda: results.extend(message["done"] for message in answer if message))
    thread.start()
    return thread


def test_a_pause_grows_with_failures_and_differs_a_little() -> None:
    assert pause(60, 0, 0.5) == 60
    assert (pause(60, 0, 0.0), pause(60, 0, 1.0)) == (54, 66)
    assert [pause(60, failures, 0.5) for failures in (1, 2, 3, 100)] == [4, 8, 16, LONGEST_PAUSE]
    assert pause(3600, 100, 0.5) == 3600
    assert pause(0, 0, 0.5) == math.inf
    assert pause(0, 2, 0.5) == 8, "what was asked for is tried again"


def test_a_branch_that_moved_wakes_the_daemon(made: Make) -> None:
    remotes, results = Remotes(Fetched(ONE, ONE), Fetched(ONE, TWO)), list[Any]()
    fetcher, woken = made(remotes)
    thread = asked(fetcher, results)
    remotes.go.release(2)
    thread.join(10)
    assert results == [{"revision": TWO, "problem": "", "next": ""}]
    assert woken == [Wake.PUSH]


def test_those_who_ask_during_a_fetch_share_the_next_one(made: Make) -> None:
    remotes, results = Remotes(Fetched(ONE, ONE), Fetched(ONE, TWO)), list[Any]()
    fetcher, _ = made(remotes)
    threads = [asked(fetcher, results) for _ in range(3)]
    remotes.go.release(2)
    for thread in threads:
        thread.join(10)
    assert [result["revision"] for result in results] == [TWO] * 3
    assert remotes.fetches == 2


def test_a_problem_and_a_rewritten_history_are_answered_with_what_to_do(made: Make) -> None:
    remotes = Remotes(Fetched(ONE, ONE), RemoteFailed("it is gone", "look for it"), Fetched(ONE, ONE, TWO))
    fetcher, woken = made(remotes)
    results = list[Any]()
    for count in (2, 1):
        thread = asked(fetcher, results)
        remotes.go.release(count)
        thread.join(10)
    assert results[0] == {"revision": "", "problem": "it is gone", "next": "look for it"}
    assert results[1]["next"] == "reconciler fetch --accept-rewrite"
    assert woken == []


def soon(what: Callable[[], bool]) -> None:
    """Wait until it is true."""
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_what_this_host_writes_is_pushed_after_a_pass_without_a_fetch(made: Make) -> None:
    remotes = Remotes(Fetched(ONE, ONE))
    fetcher, _ = made(remotes)
    remotes.go.release()
    soon(lambda: remotes.done == ["drained", "pushed"])
    fetcher.work()
    soon(lambda: remotes.done == ["drained", "pushed"] * 2)
    assert remotes.fetches == 1
    assert fetcher.trouble == ""


def test_what_can_not_be_pushed_is_told_and_tried_again(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    remotes = Remotes(Fetched(ONE, ONE), pushes=Unavailable("it takes no push"))
    fetcher, _ = made(remotes)
    remotes.go.release()
    soon(lambda: remotes.done[:3] == ["drained", "pushed", "pushed"])
    assert fetcher.trouble == "it takes no push"
    remotes.pushes = None
    soon(lambda: not fetcher.trouble)
    assert remotes.fetches == 1


def test_a_push_that_fails_delays_no_fetch_and_is_not_repeated_by_each(made: Make) -> None:
    remotes = Remotes(*[Fetched(ONE, ONE)] * 9, pushes=Unavailable("it takes no push"))
    fetcher, _ = made(remotes, poll=0.01)
    for fetches in range(2, 7):
        remotes.go.release()
        soon(lambda fetches=fetches: remotes.fetches >= fetches)  # type: ignore[misc]
        fetcher.work()
    assert remotes.done.count("pushed") == 1, "its pause of seconds is not over"
    assert remotes.done.count("drained") >= 1


def test_what_waits_is_tried_again_when_somebody_asks(made: Make) -> None:
    remotes = Remotes(*[Fetched(ONE, ONE)] * 3, pushes=Unavailable("it takes no push"))
    fetcher, _ = made(remotes)
    for pushes in (1, 2, 3):
        remotes.go.release()
        soon(lambda pushes=pushes: remotes.done.count("pushed") == pushes)  # type: ignore[misc]
        if pushes < 3:
            asked(fetcher, [])


def test_what_waits_is_tried_again_when_the_remote_is_back(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "pause", lambda every, failures, _: 0.01 if every else 1000.0 if failures else math.inf)
    remotes = Remotes(RemoteFailed("away", "wait"), *[Fetched(ONE, ONE)] * 3, pushes=Unavailable("away"), busy=True)
    made(remotes, poll=0.01)
    for fetches in (2, 3, 4):
        remotes.go.release()
        soon(lambda fetches=fetches: remotes.fetches == fetches)  # type: ignore[misc]
    assert remotes.done == ["drained", "pushed"] * 2


def test_a_hook_that_a_push_waits_for_is_answered_and_the_fetch_follows(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    monkeypatch.setattr(module, "HEARTBEAT", 0.01)
    remotes, results = Remotes(Fetched(ONE, ONE), Fetched(ONE, TWO)), list[Any]()

    def hook(pushed: Remotes) -> None:
        if pushed.fetches == 1:
            asked(fetcher, results).join(10)

    remotes.pushing = hook
    fetcher, woken = made(remotes)
    remotes.go.release(2)
    soon(lambda: woken == [Wake.PUSH])
    assert results == [{"revision": "", "problem": module.PUSHES, "next": "reconciler fetch"}]


def test_requests_of_the_panel_that_wait_are_tried_again(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    remotes = Remotes(Fetched(ONE, ONE), busy=True)
    fetcher, _ = made(remotes)
    remotes.go.release()
    soon(lambda: remotes.done.count("drained") == 3)
    assert fetcher.trouble == "", "status has the requests that wait"
    assert remotes.fetches == 1


def test_a_bug_in_a_push_is_told_and_the_fetcher_goes_on(
    made: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    remotes = Remotes(Fetched(ONE, ONE), pushes=ValueError("a secret"))
    fetcher, _ = made(remotes)
    remotes.go.release()
    soon(lambda: remotes.done.count("pushed") == 3)
    assert "a bug in reconciler: ValueError in " in fetcher.bug
    assert capsys.readouterr().out.count("a bug in reconciler: ValueError in ") == 1
    remotes.pushes = None
    soon(lambda: not fetcher.bug)


def test_a_request_that_comes_before_the_start_gets_the_first_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remotes, results = Remotes(Fetched(ONE, TWO)), list[Any]()
    for name, task in {"fetch": remotes.fetch, "drain": remotes.drain, "push_records": remotes.push}.items():
        monkeypatch.setattr(module, name, task)
    edges = Adopted.made_in(tmp_path).edges
    settings = replace(edges.settings, url=read_url("/srv/forge.git"), poll=0.0)
    fetcher = Fetcher(replace(edges, settings=settings), lambda _: None, get(host="mx"))
    thread = asked(fetcher, results)
    remotes.go.release()
    fetcher.start()
    thread.join(10)
    assert results == [{"revision": TWO, "problem": "", "next": ""}]
    assert remotes.fetches == 1
    fetcher.stop()


def test_a_host_without_a_remote_says_so(tmp_path: Path) -> None:
    fetcher = Fetcher(Adopted.made_in(tmp_path).edges, lambda _: None, get(host="mx"))
    fetcher.start()
    with pytest.raises(Unavailable, match="follows no remote"):
        next(fetcher.request({}))
    fetcher.stop()
