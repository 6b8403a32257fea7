"""Read and write a file of a clone, which may belong to another user than the one who runs the command.

Promises: no link is followed below the clone. A file is replaced as a whole by one rename. A file, and a folder that
was missing, belongs to the owner of the folder that it is in. Raises OSError as the kernel gives it, for a link as
well.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read(clone: Path, folder: str, name: str) -> bytes | None:
    """Return the content of a file, or None if there is none."""
    with ExitStack() as closing:
        try:
            within = _opened(clone, folder, closing)
            descriptor = os.open(name, _OLD, dir_fd=within)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def write(clone: Path, folder: str, name: str, content: bytes) -> None:
    """Write a file in a folder, which is made if it is missing."""
    with ExitStack() as closing:
        within = _opened(clone, folder, closing, is_made=True)
        beside = f".{name}.{secrets.token_hex(8)}"
        with os.fdopen(os.open(beside, _NEW, 0o666, dir_fd=within), "wb") as stream:
            stream.write(content)
            _give(stream.fileno(), within)
            stream.flush()
            os.fsync(stream.fileno())  # else a loss of power may leave an empty file with that name
        os.rename(beside, name, src_dir_fd=within, dst_dir_fd=within)


def _opened(clone: Path, folder: str, closing: ExitStack, *, is_made: bool = False) -> int:
    """Open a folder of the clone one step after another, since the kernel follows a link that is not the last."""
    within = os.open(clone, _FOLDER)
    closing.callback(os.close, within)
    for name in folder.split("/"):
        is_new = False
        with suppress(FileExistsError):
            if is_made:
                os.mkdir(name, dir_fd=within)
                is_new = True
        inner = os.open(name, _FOLDER, dir_fd=within)
        closing.callback(os.close, inner)
        if is_new:
            _give(inner, within)
        within = inner
    return within


def _give(descriptor: int, folder: int) -> None:
    """Give what root has made to the owner of its folder."""
    if os.geteuid() == 0:
        owner = os.fstat(folder)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
