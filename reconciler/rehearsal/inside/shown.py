"""Find a path of the host as the kernel does, and whether everybody may read what it leads to.

Promises: find() follows links one by one and holds on to each folder, so that its answer is about one file, whoever
exchanges a folder for a link meanwhile. It changes nothing. A path that leads to no file and no folder has no answer.
opened() opens that file and no other, no link, pipe or device; it raises OSError if another has its place.

Known limits: access control lists are not read; they can only take a right from others that the mode gives them.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HIDDEN = (Path("/etc/reconciler"),)
"""Never shown, whatever their modes: the identity that opens all secrets lies there."""
_ELSEWHERE = ("proc", "sys", "dev")  # the room has its own, or none
_FOR_FILES = ["dev", "shm"]
"""A folder of the kernel's that programs keep files in, such as caches of Postfix."""
_MOST_LINKS = 40  # path_resolution(7)
_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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
        return identity(self.status)


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
    elsewhere = not names or (names[0] in _ELSEWHERE and names[:2] != _FOR_FILES)
    if elsewhere or not (is_file or stat.S_ISDIR(status.st_mode)):
        return None
    is_open = all(one.st_mode & stat.S_IXOTH for one in folders.values()) and is_for_all(status)
    hidden = any(real.is_relative_to(one) for one in HIDDEN)
    return Reached(real, status, tuple(links), tuple(folders.items()), is_open and not hidden)


@contextmanager
def opened(found: Reached) -> Iterator[int]:
    """Open what was found to read it; raise OSError if something else is in its place by now."""
    descriptors = [os.open("/", _FLAGS)]
    try:
        for name in found.real.parts[1:-1]:
            descriptors.append(os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=descriptors[-1]))
        descriptors.append(os.open(found.real.name, _READ, dir_fd=descriptors[-1]))
        if identity(os.fstat(descriptors[-1])) != found.identity:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(found.real))
        yield descriptors[-1]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


class StagedFolder(NamedTuple):
    """The folder of the candidate, *root*, which is shown as *place*; the configuration directory *link* leads there.

    *outside* are paths elsewhere, each with the file of the candidate that it leads to. The candidate is root's alone,
    so nothing in it is exchanged.
    """

    root: Path
    place: Path
    link: Path
    outside: Mapping[str, str] = {}

    def follow(self, path: str) -> Path | str:
        """Return the file of the candidate that a path leads to; else the path of the host that its links lead to.

        The file may be missing. A circle of links leads to no path, which is empty.
        """
        left = self._below(path)
        if left is None:
            return path
        names: list[str] = []
        links = 0
        while left:
            name = left.pop()
            if name == ".." and not names:
                return "/".join((str(self.place.parent), *left[::-1]))
            file = self.root.joinpath(*names, name)
            if name == "..":
                names.pop()
            elif os.path.islink(file):  # noqa: PTH114 - which has an answer for every text
                target = os.readlink(file)  # noqa: PTH115 - its text, as the kernel reads it
                links += 1
                left += target.split("/")[::-1]
                if target.startswith("/"):
                    path, names = "/".join(left[::-1]), []
                    left = self._below(path)
                if left is None or links > _MOST_LINKS:
                    return path if left is None else ""
            elif name not in {"", "."}:
                names.append(name)
        return self.root.joinpath(*names)

    def place_of(self, file: Path) -> Path:
        """Return where a file of the candidate is shown."""
        return self.place / file.relative_to(self.root)

    def _below(self, path: str) -> list[str] | None:
        """Return the names of a path below the configuration directory, the last one first; None for other paths."""
        if path in self.outside:
            return self.outside[path].split("/")[::-1]
        for folder in (self.link, self.place):
            if path.startswith(f"{folder}/"):
                return path.removeprefix(f"{folder}/").split("/")[::-1]
        return None


def _leave(names: list[str], opened: list[int], depth: int) -> None:
    """Go back to the folder at *depth* below the root."""
    del names[depth:]
    for descriptor in opened[depth + 1 :]:
        os.close(descriptor)
    del opened[depth + 1 :]


def identity(status: os.stat_result) -> tuple[int, int]:
    """Return the file system of a file and its number in it."""
    return status.st_dev, status.st_ino


def is_for_all(status: os.stat_result) -> bool:
    """Whether a file or a folder of this mode can be read by every user."""
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    return status.st_mode & wanted == wanted
