"""Find a path of the host as the kernel does, and whether everybody may read what it leads to.

Promises: find() follows links one by one and holds on to each folder, so that its answer is about one file, whoever
exchanges a folder for a link meanwhile. It changes nothing. A path that leads to no file and no folder has no answer.

Known limits: access control lists are not read; they can only take a right from others that the mode gives them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

HIDDEN = (Path("/etc/reconciler"),)
"""Never shown, whatever their modes: the identity that opens all secrets lies there."""
_ELSEWHERE = ("proc", "sys", "dev")  # the room has its own, or none
_MOST_LINKS = 40  # path_resolution(7)
_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Reached(NamedTuple):
    """Where a path leads: its *real* place without links, the *links* and the *folders* on the way, with their status.

    *is_open* tells that every user may pass all the folders and read the file at their end.
    """

    real: Path
    status: os.stat_result
    links: tuple[tuple[Path, str], ...]
    folders: tuple[tuple[Path, os.stat_result], ...]
    is_open: bool

    @property
    def identity(self) -> tuple[int, int]:
        """The file system and the number of the file in it."""
        return self.status.st_dev, self.status.st_ino


def find(path: str) -> Reached | None:
    """Find an absolute path; None if it is missing, is neither a file nor a folder, or belongs to the kernel."""
    opened = [os.open("/", _FLAGS)]
    try:
        return _found(path, opened) if path.startswith("/") and "\0" not in path else None
    except OSError:
        return None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _found(path: str, opened: list[int]) -> Reached | None:
    """Walk along *path*; *opened* are the folders from the root to the present one."""
    names: list[str] = []
    links: list[tuple[Path, str]] = []
    folders: dict[Path, os.stat_result] = {}
    left = path.split("/")[::-1]
    while left:
        name = left.pop()
        if name == "..":
            _leave(names, opened, max(len(names) - 1, 0))
        if name in {"", ".", ".."}:
            continue
        descriptor = os.open(name, _FLAGS, dir_fd=opened[-1])
        opened.append(descriptor)
        names.append(name)
        place = Path("/", *names)
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            target = os.readlink("", dir_fd=descriptor)
            links.append((place, target))
            if len(links) > _MOST_LINKS:
                return None
            _leave(names, opened, 0 if target.startswith("/") else len(names) - 1)
            left += target.split("/")[::-1]
        elif any(left):
            folders[place] = os.fstat(descriptor)
    status, real = os.fstat(opened[-1]), Path("/", *names)
    is_file = stat.S_ISREG(status.st_mode)
    if not names or names[0] in _ELSEWHERE or not (is_file or stat.S_ISDIR(status.st_mode)):
        return None
    is_open = all(one.st_mode & stat.S_IXOTH for one in folders.values()) and is_for_all(status)
    hidden = any(real.is_relative_to(one) for one in HIDDEN)
    return Reached(real, status, tuple(links), tuple(folders.items()), is_open and not hidden)


def _leave(names: list[str], opened: list[int], depth: int) -> None:
    """Go back to the folder at *depth* below the root."""
    del names[depth:]
    for descriptor in opened[depth + 1 :]:
        os.close(descriptor)
    del opened[depth + 1 :]


def is_for_all(status: os.stat_result) -> bool:
    """Whether a file or a folder of this mode can be read by every user."""
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    return status.st_mode & wanted == wanted
