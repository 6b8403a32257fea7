"""The locks of this host's state: one for passes, one for Postfix itself, one for the daemon.

Promises: each is a lock of its own open file (flock(2)), so threads exclude each other like processes, and the kernel
releases it when its process ends. So the files of the locks hold nothing, and need not outlast a loss of power. Raises
Unavailable while another one holds it, and OSError from the file system.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from reconciler.model.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = PASSES, ACTIVATION, DAEMON = "lock", "activation", "daemon"
DPKG_LOCK = Path("/var/lib/dpkg/lock")
BUSY = "another pass is running"
PACKAGES_CHANGE = "packages are being installed or removed: dpkg holds its lock"
PATIENCE = 10.0
"""Seconds that an operator's short command waits for a running pass."""
RETURN_PATIENCE = 30.0
"""Seconds that a rollback or a rescue waits for it: while a companion does not start, most passes are long."""
ACTIVATION_PATIENCE = 15.0
"""Seconds to wait while another thread or process starts, stops or reloads Postfix."""
_POLL = 0.05


class Locks:
    """The locks in the folder *private*; *prepare* makes that folder and its neighbours."""

    def __init__(self, private: Path, prepare: Callable[[], None]) -> None:
        self._private, self._prepare = private, prepare

    @contextmanager
    def state(self, patience: float = 0, *, by_dpkg: bool = False) -> Iterator[None]:
        """Hold the lock for a pass or an operator's command; *patience* is how many seconds to wait for it.

        Raises Unavailable if another pass holds it for longer, or dpkg is running; the latter not for what dpkg itself
        runs, such as the removal of reconciler's package.
        """
        self._prepare()
        if not by_dpkg and packages_change():
            raise Unavailable(PACKAGES_CHANGE)
        with held(self._private / PASSES, BUSY, patience):
            yield

    def is_free(self) -> bool:
        """Tell whether a pass could hold its lock now; a pass that begins at this very moment may have to wait."""
        try:
            with held(self._private / PASSES, BUSY):
                return not packages_change()
        except (Unavailable, OSError):
            return False

    @contextmanager
    def activation(self, patience: float = ACTIVATION_PATIENCE) -> Iterator[None]:
        """Hold the lock for a change of what Postfix reads, and for its start, stop and reload.

        A pass holds it from the swap to the end of its verification, and not while it checks; so a master that died
        can be started beside a check that hangs. Raises Unavailable if it is not free within *patience* seconds.
        """
        with held(self._private / ACTIVATION, "Postfix is being started, stopped or reloaded", patience):
            yield

    @contextmanager
    def service(self) -> Iterator[None]:
        """Hold the daemon's lock, for all its life; raise Unavailable if another daemon manages this state."""
        self._prepare()
        with held(self._private / DAEMON, f"another reconciler daemon runs with {self._private.parent}"):
            yield


@contextmanager
def held(path: Path, busy: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of that file; raise Unavailable(*busy*) if it is not free within *patience* seconds."""
    deadline = time.monotonic() + patience
    with _opened(path) as stream:
        while not _locked(stream):
            if time.monotonic() >= deadline:
                raise Unavailable(busy)
            time.sleep(_POLL)
        yield


def _opened(path: Path) -> IO[bytes]:
    """Open the file of a lock, also where nothing can be written: a master that died must be started there too."""
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return path.open("rb")


def _locked(stream: IO[bytes]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def packages_change() -> bool:
    """Return whether dpkg is at work, which stops and starts Postfix by itself.

    Its lock is a record lock on a file; the kernel says who holds it, without taking it (fcntl(2), F_GETLK).
    """
    try:
        with DPKG_LOCK.open("rb") as stream:
            asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, *_ = struct.unpack("hhqqi", fcntl.fcntl(stream, fcntl.F_GETLK, asked + bytes(4))[: len(asked)])
            return bool(kind != fcntl.F_UNLCK)
    except FileNotFoundError:
        return False
