"""The place of Postfix's configuration directory: whether reconciler's link is there, and what took its place.

A person, a restored backup or a package can put a folder, a link or nothing at all where the link was. A file in
private/ remembers that this directory was adopted, so that it is not taken for one that never was.

Promises: the link comes back by one exchange, and what was there is kept beside it. A mount point, and somebody's link
before adoption, are refused with what to do. Raises Unavailable for these, and OSError from the file system.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from reconciler.host.mounts import mounts_in
from reconciler.model.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.host.effects import Host


class LinkPlace:
    """The path *directory*, and reconciler's *link* that is there once it is adopted; *private* remembers this."""

    def __init__(self, directory: Path, link: Path, private: Path, host: Host) -> None:
        self._directory, self._link, self._host = directory, link, host
        self._record = private / "adopted"

    @property
    def is_ours(self) -> bool:
        """Whether reconciler's link is there."""
        return self._directory.is_symlink() and self._directory.readlink() == self._link

    @property
    def is_free(self) -> bool:
        """Whether nothing at all is there."""
        return not os.path.lexists(self._directory)

    @property
    def taken(self) -> str:
        """What took the place of the link, and how it comes back; empty while the link is there or never was."""
        if self.is_ours or not self._was_adopted():
            return ""
        what = f"{self._directory} {self._kind()}, and no longer reconciler's link, so the branch is not followed"
        if points := self._mounts():
            return f"{what}; unmount {points[0]}"
        return f"{what}; to restore the link, run `reconciler once --adopt`"

    def _was_adopted(self) -> bool:
        try:
            return self._record.read_bytes() == bytes(self._directory)
        except FileNotFoundError:
            return False

    def _kind(self) -> str:
        if self._directory.is_symlink():
            return f"is a link to {self._directory.readlink()}"
        return "is missing" if self.is_free else "is a mount point" if self._mounts() else "is a folder"

    def _mounts(self) -> list[Path]:
        return [] if self.is_free or self._directory.is_symlink() else mounts_in(self._directory)

    def remember(self) -> None:
        """Record that the directory is adopted."""
        if self.is_ours and not self._was_adopted():
            self._host.replace(self._record, bytes(self._directory))

    def forget(self) -> None:
        """Record that reconciler has left the directory."""
        self._host.remove(self._record)

    def put_back(self) -> str:
        """Make the link again; return a sentence about what was there, and where it is kept."""
        found = f"{self._directory} {self._kind()}"
        if self.is_free:
            self._host.symlink(self._directory, self._link)
            return f"{found}; reconciler's link is back"
        if points := self._mounts():
            raise Unavailable(f"{points[0]} is a mount point, and reconciler's link must be at {self._directory}")
        kept = next(path for path in self._candidates() if path.is_symlink() or not path.exists())
        self._host.symlink(kept, self._link)
        self._host.exchange(self._directory, kept)
        return f"{found}, which is kept as {kept}; reconciler's link is back"

    def _candidates(self) -> Iterator[Path]:
        """Yield names for what is kept; a link of ours there is left from an exchange that was cut short."""
        for number in itertools.count(1):
            path = self._directory.with_name(f"{self._directory.name}.found-{number}")
            if not os.path.lexists(path) or (path.is_symlink() and path.readlink() == self._link):
                yield path

    def require_adoptable(self) -> None:
        """Raise Unavailable with what to do if the directory can't be exchanged for a link without a loss."""
        if self._directory.is_symlink() and not self.is_ours:
            target = self._directory.readlink()
            raise Unavailable(
                f"{self._directory} is a link to {target}, which somebody else made; nothing was adopted: "
                f"move the folder {target} to {self._directory}, then adopt it"
            )
        if points := self._mounts():
            raise Unavailable(
                f"{points[0]} is a mount point, which can't be exchanged for a link or kept in a generation; nothing "
                f"was adopted: unmount it, and put its files into {self._directory}, then adopt it"
            )
