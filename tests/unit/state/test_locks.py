"""The locks of a host's state, held by threads and processes."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING

import pytest

from reconciler.model.errors import Unavailable
from reconciler.state import locks as module
from reconciler.state.locks import Locks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path, lambda: None)


def test_an_activation_excludes_another_but_no_pass_that_only_checks(locks: Locks) -> None:
    busy = pytest.raises(Unavailable, match="being started, stopped or reloaded")
    with locks.state(), locks.activation(), busy, locks.activation(0.1):
        pytest.fail("two at once")
    with locks.state(), locks.activation(0):
        pass


def test_an_activation_waits_for_another_that_ends_in_time(locks: Locks) -> None:
    held, ended = Event(), Event()

    def hold() -> None:
        with locks.activation():
            held.set()
            ended.wait(20)

    thread = Thread(target=hold)
    thread.start()
    assert held.wait(20)
    Timer(0.3, ended.set).start()
    with locks.activation(20):
        assert ended.is_set()
    thread.join()


def test_while_dpkg_works_only_what_it_runs_itself_goes_on(locks: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "packages_change", lambda: True)
    with pytest.raises(Unavailable, match="dpkg holds its lock"), locks.state():
        pytest.fail("beside dpkg")
    with locks.state(by_dpkg=True), pytest.raises(Unavailable, match="another pass"), locks.state(by_dpkg=True):
        pytest.fail("two at once")


def test_one_daemon_for_life_beside_any_pass(locks: Locks) -> None:
    with locks.service():
        with pytest.raises(Unavailable, match="another reconciler daemon runs"), locks.service():
            pytest.fail("two at once")
        with locks.state(), locks.activation():
            pass
    with locks.service():
        pass


def test_one_lock_for_all_passes(locks: Locks) -> None:
    with locks.state(), pytest.raises(Unavailable, match="another pass is running"), locks.state():
        pass
    with locks.state():
        assert not locks.is_free()
    assert locks.is_free()
    with locks.state():
        pass


def test_an_operator_waits_for_a_running_pass(locks: Locks) -> None:
    locked, free = Event(), Event()

    def run_a_pass() -> None:
        with locks.state():
            locked.set()
            free.wait()

    with ThreadPoolExecutor() as threads:
        threads.submit(run_a_pass)
        locked.wait()
        Timer(0.2, free.set).start()
        with locks.state(60):
            assert free.is_set()


def test_no_pass_while_dpkg_works(locks: Locks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "dpkg-lock"
    lock.touch()
    monkeypatch.setattr("reconciler.state.locks.DPKG_LOCK", lock)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with lock.open("w") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            os.write(writing, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(reading, 1)
    try:
        with pytest.raises(Unavailable, match="dpkg holds its lock"), locks.state():
            pass
        assert not locks.is_free()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)

    with locks.state():
        pass


def test_a_lock_on_a_disk_that_turned_read_only_still_excludes(locks: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    with locks.activation():
        pass
    really = os.open

    def read_only(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system")
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    with locks.activation(), pytest.raises(Unavailable), locks.activation(0):
        pass
