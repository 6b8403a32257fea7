"""The guard beside a loop that works, hangs in a program, and makes no progress."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

import pytest

from reconciler.apply import recover
from reconciler.daemon import guard
from reconciler.daemon.guard import QUIET, Guard, lives
from reconciler.host.log import get
from reconciler.host.programs import postfix
from reconciler.model.errors import Unavailable
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    """An adopted folder; its Postfix never ran, so that nothing has died."""
    monkeypatch.setattr(guard, "LOOK", 0.05)
    monkeypatch.setattr(recover, "died", lambda *_: False)
    return Adopted.made_in(tmp_path)


@contextmanager
def watchdog(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd hears."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(folder / "notify"))
        channel.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        yield channel


def silent(channel: socket.socket, seconds: float) -> bool:
    """Whether nothing more is heard, apart from what was sent already."""
    channel.settimeout(seconds)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            channel.recv(100)
        except TimeoutError:
            return True
    return False


def test_a_loop_lives_while_its_program_is_within_its_time_and_for_a_while_after_it() -> None:
    assert lives(now=1_000, since=990, until=0)
    assert lives(now=1_000, since=100, until=1_001)
    assert lives(now=1_000, since=100, until=1_000 - QUIET)
    assert not lives(now=1_000, since=999 - QUIET, until=999 - QUIET)


def test_systemd_hears_of_a_program_within_its_time_and_not_of_a_loop_that_makes_no_progress(
    adopted: Adopted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "QUIET", 0.2)
    with watchdog(tmp_path, monkeypatch) as channel:
        watching = Guard(adopted.edges, lambda: None, get())
        watching.start()
        adopted.edges.host.run(("sleep", "2"))
        channel.setblocking(False)
        assert channel.recv(100) == b"WATCHDOG=1"
        assert silent(channel, 1.0)  # nothing runs, and nothing else happens
        watching.stop()


def test_a_sleeping_loop_is_left_alone_and_a_stop_ends_the_guard(adopted: Adopted) -> None:
    looked = Event()
    watching = Guard(adopted.edges, looked.set, get())
    watching.start()
    assert looked.wait(20)
    with watching.asleep():
        time.sleep(0.3)  # a look that has begun ends
        looked.clear()
        assert not looked.wait(0.5)
    assert looked.wait(20)
    watching.stop()
    looked.clear()
    assert not looked.wait(0.5)


def test_a_bug_in_a_look_does_not_end_the_guard(adopted: Adopted) -> None:
    looks: list[int] = []
    again = Event()

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            raise ValueError("a bug")
        told.append(watching.bug)
        again.set()

    told: list[str] = []
    watching = Guard(adopted.edges, look, get())
    watching.start()
    assert again.wait(20)
    watching.stop()
    assert "a bug in reconciler: ValueError in " in told[0]


def test_a_dead_master_is_started_once_beside_the_loop_and_never_beside_an_activation_or_dpkg(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(recover, "died", lambda *_: not started)
    monkeypatch.setattr(postfix, "start", lambda *_: started.append(1))
    generations = adopted.edges.generations
    with generations.locks.activation():
        assert not recover.revive_beside(adopted.edges)
        with pytest.raises(Unavailable, match="being started, stopped or reloaded"):
            recover.revive(adopted.edges, patience=0.1)
    with monkeypatch.context() as patched:
        patched.setattr(recover, "packages_change", lambda: True)
        assert not recover.revive_beside(adopted.edges)
    assert not started
    with generations.locks.state():  # of a pass that hangs
        watching = Guard(adopted.edges, lambda: None, get())
        watching.start()
        deadline = time.monotonic() + 20
        while not started and time.monotonic() < deadline:
            time.sleep(0.01)
        watching.stop()
    assert started == [1]
    assert watching.revived()
    assert not watching.revived()


def test_status_shows_a_pass_that_takes_long(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Guard(adopted.edges, lambda: None, get())
    assert watching.limits == []
    monkeypatch.setattr(guard, "LONG", 0.0)
    assert watching.limits == ["the daemon has been busy for 0 s"]
    with watching.asleep():
        assert watching.limits == []
