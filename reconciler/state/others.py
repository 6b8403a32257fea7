"""Set folders of other users apart from the generations, so that they are neither copied nor followed as root.

A hosting panel or a list manager may have a folder in the configuration directory, which Postfix reads while it is
edited. Such a folder is moved once, by one rename, to a stable place, and a link to it takes its path in every
generation. It stays the same folder: owner, mode, contents and open files do not change, and an edit is in effect at
once. give_back() returns the folders to their paths.

Promises: Postfix finds the folder at its path at every moment. No byte of it is copied, and no name in it is followed.
Raises Unavailable if the configuration directory itself is not root's alone, or if a folder is a mount point.

Known limit: a link in such a folder that leads out of it by `..` must become an absolute one.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.ownership import is_folder_of_others, is_of_others, rights
from reconciler.model.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.host.effects import Host

SUFFIX = ".others"


class Others:
    """The folders of others, in a place on the file system of *config_directory*, or else on that of *state*."""

    def __init__(self, state: Path, config_directory: Path, host: Host) -> None:
        self._state, self._host = state, host
        self._homes = (
            config_directory.with_name(config_directory.name + SUFFIX),
            state / "others",
        )

    def set_apart(self, root: Path) -> None:
        """Move each folder of others below *root* to its stable place, and leave a link to it."""
        if is_of_others(root):
            raise Unavailable(
                f"{root}: another user than root may change it ({rights(root)}), and so what Postfix runs as root; "
                "run `chown root:root` and `chmod go-w` on it"
            )
        if any(is_folder_of_others(root / path) for path in walk(root)):
            with self._alone():
                for path in list(walk(root)):  # again, because another process may have moved some
                    if is_folder_of_others(root / path):
                        self._move(root, path)

    def give_back(self, root: Path) -> None:
        """Move the folders back to where links below *root* lead to them; one on another file system keeps its link."""
        if not any(home.is_dir() for home in self._homes):
            return
        for path in list(walk(root)):
            link = root / path
            place = link.readlink() if link.is_symlink() else None
            if place and self._is_kept(place) and self._exchanged(link, place):
                self._host.remove(place)
        for home in self._homes:
            if home.is_dir() and all(_is_only_a_way(home / path) for path in walk(home)):
                self._host.remove(home)

    def _exchanged(self, link: Path, place: Path) -> bool:
        try:
            self._host.exchange(link, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def _move(self, root: Path, path: str) -> None:
        device = (root / path).lstat().st_dev
        home = next((home for home in self._homes if home.parent.stat().st_dev == device), None)
        if home is None:
            raise Unavailable(f"{root / path}: belongs to another user and is a mount point; mount it elsewhere")
        place = next(place for place in _candidates(home / path) if place.is_symlink() or not place.exists())
        self._host.make_directory(home)
        for folder in reversed(Path(path).parents[:-1]):
            self._host.make_directory(home / folder, stat.S_IMODE((root / folder).stat().st_mode))
        self._host.symlink(place, place)
        self._host.exchange(root / path, place)

    def _is_kept(self, place: Path) -> bool:
        """Return whether it is a folder that was set apart, and not something that others made in one."""
        home = next((home for home in self._homes if place.is_relative_to(home)), None)
        if home is None or ".." in place.parts or place.is_symlink() or not place.is_dir():
            return False
        return not any(is_of_others(folder) for folder in place.parents if folder.is_relative_to(home))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process moves folders."""
        descriptor = os.open(self._state, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _candidates(place: Path) -> Iterator[Path]:
    yield place
    yield from (place.with_name(f"{place.name}.{number}") for number in itertools.count(2))


def _is_only_a_way(path: Path) -> bool:
    """Return whether it leads to no folder of others: a folder of ours, or a link that a move has left behind."""
    return path.is_symlink() or (path.is_dir() and not is_of_others(path))


def walk(root: Path, without: frozenset[str] | set[str] = frozenset()) -> Iterator[str]:
    """Yield the relative paths below *root* except *without*, each folder before its contents.

    Folders of others are yielded, but not entered.
    """
    for directory, folders, names in os.walk(root):
        below = sorted(folders)
        folders[:] = [name for name in below if not is_of_others(Path(directory, name))]
        for name in sorted([*below, *names]):
            path = str(Path(directory, name).relative_to(root))
            if path not in without:
                yield path
