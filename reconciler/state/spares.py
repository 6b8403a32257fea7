"""Copies of the large files of the live generation, made between two passes: the next stage takes them, and is faster.

Promises: a stage gets a copy only if it has the bytes, the mode and the owner that the manifest says. A copy has its
name, the digest of its bytes, only when it is whole. Without one, or on a disk that is rather full, nothing is missing:
the stage makes its own. Nothing live changes. renew() raises OSError as the kernel gives it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from reconciler.host.effects import named

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.state.digests import Digests
    from reconciler.state.manifest import FileRecord, Generation

_WORTHWHILE = 1 << 22
"""A file of fewer bytes is copied in a millisecond or two."""
_FREE = 16
"""How often the copies must fit into what is free on the disk."""
_NEW = ".new"


def is_as_recorded(path: Path, record: FileRecord, digests: Digests) -> bool:
    """Return whether a file has the bytes, the mode and the owner of a record."""
    status = path.lstat()
    now = digests.of(path), stat.S_IMODE(status.st_mode), named(status.st_uid, status.st_gid)
    return now == (record.sha256, record.mode, record.owner)


class Spares:
    """The copies in a folder, which other users can't enter."""

    def __init__(self, folder: Path, host: Host, digests: Digests) -> None:
        self._folder, self._host, self._digests = folder, host, digests

    def take(self, record: FileRecord, target: Path) -> bool:
        """Move the copy of a file of the live generation to a place in a stage; return False if there is none."""
        copy = self._folder / record.sha256
        try:
            if not is_as_recorded(copy, record, self._digests):
                return False
            self._host.rename(copy, target, lasting=False)
        except OSError:  # there is none, another stage has just taken it, or the stage is on another file system
            return False
        return True

    def renew(self, live: Generation | None) -> None:
        """Make the copies that are missing, and remove those of which nothing live is the like any more."""
        wanted = {record.sha256: path for path, record in self._large(live).items()} if live else {}
        there = {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set[str]()
        for name in there - wanted.keys():
            self._host.remove(self._folder / name)
        missing = {name: path for name, path in wanted.items() if name not in there}
        if live and missing and self._has_room([live.root / path for path in missing.values()]):
            self._host.make_directory(self._folder, 0o700, lasting=False)
            for path in missing.values():
                self._make(live.root / path, live.files[path])

    def _large(self, live: Generation) -> dict[str, FileRecord]:
        files = ((path, record, live.root / path) for path, record in live.files.items())
        return {
            path: record for path, record, file in files
            if file.is_file() and file.stat().st_size >= _WORTHWHILE and is_as_recorded(file, record, self._digests)
        }  # fmt: skip

    def _has_room(self, files: list[Path]) -> bool:
        room = os.statvfs(self._folder.parent)
        return room.f_bavail * room.f_frsize >= _FREE * sum(file.stat().st_size for file in files)

    def _make(self, file: Path, record: FileRecord) -> None:
        new = self._folder / _NEW
        try:
            self._host.copy(file, new)
            if not is_as_recorded(file, record, self._digests):  # it was edited meanwhile
                return
            self._host.sync(new)
            self._host.rename(new, self._folder / record.sha256, lasting=False)
            self._digests.learn(self._folder / record.sha256, record.sha256)
        finally:
            self._host.remove(new)
