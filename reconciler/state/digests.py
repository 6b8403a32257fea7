"""The digests of files, each of which is read once for as long as it is the same file.

A file is known by its signature, which has its inode, so that one whose folder was renamed is not read again. Memory is
bounded by the files that keep() names, and by those that were looked at since. Raises OSError as the kernel gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.state.manifest import Signature, digest, signature

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Digests:
    """Digests as manifest.digest() returns them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Signature], str] = {}

    def of(self, path: Path) -> str:
        """Return the digest of a file."""
        key = _key(path)
        if key not in self._known:
            self._known[key] = digest(path)
        return self._known[key]

    def learn(self, path: Path, content: str) -> None:
        """Take note of the digest of a file that was just made."""
        self._known[_key(path)] = content

    def keep(self, paths: Iterable[Path]) -> None:
        """Forget all files but these, as they are now."""
        keys = {_key(path) for path in paths if path.exists()}
        self._known = {key: content for key, content in self._known.items() if key in keys}


def _key(path: Path) -> tuple[int, Signature]:
    return path.lstat().st_dev, signature(path)
