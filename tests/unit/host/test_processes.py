"""Processes have names, programs, parents and starts as long as they run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from reconciler.host import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

UNUSED = 2**22 + 1  # The kernel gives no process an id above 2**22.


@contextmanager
def running(program: Path, *, named: str = "") -> Iterator[int]:
    """Run a program that reads until its input ends; its process id."""
    near, far = socket.socketpair()
    end = far.fileno()
    with near, far, subprocess.Popen([named or program], executable=program, stdin=end, stdout=end) as process:
        near.sendall(b"x")
        near.recv(1)  # the kernel names it a moment after Popen returns
        yield process.pid
        near.shutdown(socket.SHUT_WR)


def test_they_are_as_another_reader_of_proc_finds_them() -> None:
    own = psutil.Process()
    assert processes.name_of(own.pid) == own.name()
    assert processes.program_of(own.pid) == Path(own.exe())
    assert processes.parent_of(own.pid) == own.ppid() == os.getppid()
    assert processes.group_of(own.pid) == os.getpgrp()
    assert own.pid in processes.running()


@pytest.mark.parametrize("name", ["short", "a (name) b", "exactly-15-char", "longer-than-the-kernel-keeps"])
def test_a_name_is_whole_however_long_it_is(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    shutil.copy("/bin/cat", program)
    with running(program) as pid:
        assert processes.name_of(pid) == name == psutil.Process(pid).name()
        assert processes.program_of(pid) == program
        assert processes.parent_of(pid) == os.getpid()


def test_where_its_command_line_says_another_name_the_beginning_counts(tmp_path: Path) -> None:
    program = tmp_path / "longer-than-the-kernel-keeps"
    shutil.copy("/bin/cat", program)
    with running(program, named="worker 1") as pid:
        assert processes.name_of(pid) == "longer-than-the" == psutil.Process(pid).name()


def test_one_that_has_ended_has_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid in (gone.pid, UNUSED):
        assert processes.name_of(pid) == ""
        assert processes.program_of(pid) is None
        assert processes.parent_of(pid) is None
        assert processes.started(pid) is None
        assert processes.group_of(pid) is None
        assert pid not in processes.running()


def test_a_zombie_is_in_no_group() -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert zombie.pid in processes.running()
    assert processes.group_of(zombie.pid) is None
    zombie.wait()


def test_it_started_before_now() -> None:
    started = processes.started(os.getpid())
    assert started is not None
    assert started < processes.boot_clock()
    assert processes.boot_id() == processes.boot_id() != ""
