"""The digests of files, each of which is read once for as long as it is the same file.

A file is known by its inode, so that one whose folder was renamed is not read again, and is the same as long as its
signature is. Memory is bounded by the files that keep() names, and by those that were looked at since. Raises OSError
as the kernel gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.state.manifest import Signature, digest, signature

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_Inode = tuple[int, int]


class Digests:
    """Digests as manifest.digest() returns them."""

    def __init__(self) -> None:
        self._known: dict[_Inode, tuple[Signature, str]] = {}

    def of(self, path: Path) -> str:
        """Return the digest of a file."""
        inode, now = _inode(path), signature(path)
        known = self._known.get(inode)
        if known is None or known[0] != now:
            self._known[inode] = known = now, digest(path)
        return known[1]

    def learn(self, path: Path, content: str) -> None:
        """Take note of the digest of a file that was just made."""
        self._known[_inode(path)] = signature(path), content

    def keep(self, paths: Iterable[Path]) -> None:
        """Forget all files but these."""
        inodes = {_inode(path) for path in paths if path.exists()}
        self._known = {inode: known for inode, known in self._known.items() if inode in inodes}


def _inode(path: Path) -> _Inode:
    status = path.stat()
    return status.st_dev, status.st_ino
