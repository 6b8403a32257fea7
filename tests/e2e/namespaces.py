"""The way into a throw-away host without nsenter(1), which takes longer to start than most commands take to end.

Promises: what moves is the calling thread or the calling process alone. Raises OSError as setns(2) fails, for one when
the host has ended.

Known limit: a thread in a host can start programs there, but no other threads (clone(2), CLONE_SIGHAND).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
# <linux/sched.h>
CLONE_FS = 0x00000200
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
ALL = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
LIBC = ctypes.CDLL(None, use_errno=True)  # os.setns only came with Python 3.12


def join(target: int, kinds: int) -> None:
    """Join these namespaces of the process of a descriptor (pidfd_open(2)); that of processes is for children alone."""
    _check("setns", LIBC.setns(target, kinds))


def enter(target: int, pid: int, kinds: int = ALL) -> None:
    """Join these namespaces of a host's PID 1, that of mounts among them, and have its root."""
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY)
    _check("unshare", LIBC.unshare(CLONE_FS))  # a root of its own, as setns(2) asks for
    join(target, kinds)
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


@contextmanager
def opened(pid: int) -> Iterator[int]:
    """Yield the descriptor of a process."""
    target = os.pidfd_open(pid)
    try:
        yield target
    finally:
        os.close(target)


class Entrance:
    """A thread that is in a host, and works there."""

    def __init__(self, pid: int) -> None:
        self._threads = ThreadPoolExecutor(1)
        with opened(pid) as target:
            self._threads.submit(enter, target, pid).result()

    def call(self, make: Callable[[], T]) -> T:
        """Call *make* in the host. It can import nothing: the host may have other files."""
        return self._threads.submit(make).result()

    def start(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - as Popen has them
        """Start a program in the host; its process id is the one that it has outside."""
        return self.call(lambda: subprocess.Popen(argv, text=True, **options))

    def close(self) -> None:
        """Leave the host."""
        self._threads.shutdown()


def _check(name: str, result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), name)
