"""Copy files and folders by descriptor, so that another user who replaces names meanwhile can't misdirect a copy.

Promises: a link in the last component of a path is not followed, and no link at all below a folder that is copied
whole. Bytes, owner and mode come from one open file. Holes stay holes. Sockets, pipes and devices are left out. Raises
OSError as the kernel gives it.

Known limits: a file that is written meanwhile is copied as it is read. Of a folder that is copied whole, entries that
are replaced meanwhile are left out, and so are folders below DEPTH levels.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPTH = 40
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409
_REPLACED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR}


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder without its contents, with mode, owner and times."""
    status = source.lstat()
    if stat.S_ISDIR(status.st_mode):
        with opened(source, _FOLDER) as old:
            target.mkdir(exist_ok=True)
            with opened(target, _FOLDER) as new:
                _resemble(old, new)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(source, target)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a folder with everything in it; *target* is new."""
    copy(source, target)
    with opened(source, _FOLDER) as old, opened(target, _FOLDER) as new:
        _copy_contents(old, new, DEPTH)


def _copy_contents(old: int, new: int, depth: int) -> None:
    for name in sorted(os.listdir(old)) if depth else ():
        try:
            _copy_entry(name, old, new, depth)
        except OSError as error:
            if error.errno not in _REPLACED:
                raise


def _copy_entry(name: str, old: int, new: int, depth: int) -> None:
    status = os.stat(name, dir_fd=old, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=old), name, dir_fd=new)
        os.chown(name, status.st_uid, status.st_gid, dir_fd=new, follow_symlinks=False)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(name, name, old, new)
    elif stat.S_ISDIR(status.st_mode):
        with opened(name, _FOLDER, old) as inner:
            os.mkdir(name, 0o700, dir_fd=new)
            with opened(name, _FOLDER, new) as made:
                _copy_contents(inner, made, depth - 1)
                _resemble(inner, made)


def _copy_file(source: Path | str, target: Path | str, old: int | None = None, new: int | None = None) -> None:
    with opened(source, _READ, old) as reading:
        if not stat.S_ISREG(os.fstat(reading).st_mode):
            return
        with opened(target, _WRITE, new) as writing:
            _copy_bytes(reading, writing)
            _resemble(reading, writing)


def _copy_bytes(reading: int, writing: int) -> None:
    """Copy the bytes that are there now, and leave holes out: a sparse file stays sparse."""
    if _cloned(reading, writing):
        return
    size, position = os.fstat(reading).st_size, 0
    while position < size:
        try:
            start = os.lseek(reading, position, os.SEEK_DATA)
            position = min(os.lseek(reading, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno != errno.ENXIO:  # lseek(2): there is no more data
                raise
            break
        os.lseek(writing, start, os.SEEK_SET)
        while start < position and (sent := os.sendfile(writing, reading, start, position - start)):
            start += sent
    os.ftruncate(writing, size)


def _cloned(reading: int, writing: int) -> bool:
    """Have the file system share the blocks of both files until one changes; return False where it can't."""
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:  # ioctl_ficlone(2): another file system, or one that can't; a true trouble stops the copy as well
        return False
    return True


def _resemble(old: int, new: int) -> None:
    """Give an open file the owner, mode, attributes and times of another; the mode last, because fchown() clears it."""
    status = os.fstat(old)
    os.fchown(new, status.st_uid, status.st_gid)
    shutil.copystat(old, new)  # type: ignore[arg-type] # it passes them on to os, which takes descriptors
    os.fchmod(new, stat.S_IMODE(status.st_mode))


@contextmanager
def opened(path: Path | str, flags: int, within: int | None = None) -> Iterator[int]:
    """Open a path, below the open folder *within* if there is one, and close it at the end."""
    descriptor = os.open(path, flags, 0o600, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
