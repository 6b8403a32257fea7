"""Files of a throw-away host, read and written from outside, as fast as files: no process enters the host for them.

Promises: a path means what it means in the host, links included (openat2(2) with RESOLVE_IN_ROOT). Raises OSError as
open(2) does. Known limit: /proc/self is the test's own.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OPENAT2, RESOLVE_IN_ROOT = 437, 0x10  # <asm/unistd.h>, <linux/openat2.h>
LIBC = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("flags", "mode", "resolve")]


def read(root: Path, path: str | Path) -> bytes:
    """Return the bytes of a file below this root."""
    with _root(root) as top, os.fdopen(_opened(top, path, os.O_RDONLY), "rb") as stream:
        return stream.read()


def write(root: Path, path: str | Path, data: bytes, mode: int, modified: float) -> None:
    """Write a file below this root, and the folders above it; *modified* is its time, in seconds since the epoch."""
    path = Path(path)
    with _root(root) as top:
        os.close(_folder(top, path.parent))
        with os.fdopen(_opened(top, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.utime(stream.fileno(), (modified, modified))


def pack(folder: Path, names: Iterable[str], archive: Path) -> None:
    """Archive what is there of these names below a folder of a host; raises CalledProcessError as tar(1) fails."""
    there = [name for name in names if os.path.lexists(folder / name)]
    subprocess.run(["tar", "--create", *_where(folder, archive), *there], check=True, timeout=180)


def unpack(folder: Path, archive: Path) -> None:
    """Lay what an archive holds below a folder of a host, in the place of what is there; raises as pack() does."""
    subprocess.run(["tar", "--extract", "--recursive-unlink", *_where(folder, archive)], check=True, timeout=180)


def _where(folder: Path, archive: Path) -> list[str]:
    return ["--numeric-owner", f"--file={archive}", f"--directory={folder}"]


@contextmanager
def _root(root: Path) -> Iterator[int]:
    top = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        yield top
    finally:
        os.close(top)


def _folder(top: int, path: Path) -> int:
    """Open a folder, which is made if it is not there, with those above it."""
    try:
        return _opened(top, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        above = _folder(top, path.parent)
        try:
            os.mkdir(path.name, 0o755, dir_fd=above)
            return os.open(path.name, os.O_PATH | os.O_DIRECTORY, dir_fd=above)
        finally:
            os.close(above)


def _opened(top: int, path: str | Path, flags: int, mode: int = 0) -> int:
    how = _How(flags | os.O_CLOEXEC, mode, RESOLVE_IN_ROOT)
    while True:
        found = LIBC.syscall(OPENAT2, top, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return int(found)
        error = ctypes.get_errno()
        if error != errno.EAGAIN:  # a rename was under way while a ".." was followed
            raise OSError(error, os.strerror(error), str(path))
