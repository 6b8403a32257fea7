"""The files below a tree of a commit, and what is wrong with their names, their kinds and their sizes.

What is below a small folder is remembered by the name of its tree, which says its content: of thousands of sites, a
commit changes one. What is below a folder of few files is remembered once, with that folder. The commit's own folder is
always read. Nothing is remembered of a folder in which something is wrong, nor taken from memory where some paths are
left out.

Raises what libgit2 raises, and ValueError for an object that is not a tree.

Known limit: that the blobs of a folder are there is seen when it is listed the first time, and when they are read.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Finding, Where, limits, printable
from reconciler.model.past import Past
from reconciler.repository import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Without = Callable[[str], bool]

_MOST_KEPT, _SMALL, _FEW = 20_000, 64, 8
_FOLDER, _LINK, _SUBMODULE = 0o040000, 0o120000, 0o160000  # the modes of git
_MODES = {mode: mode for mode in (_FOLDER, 0o100644, 0o100755)}  # one number for the thousands of files that have it


class BlobAt(NamedTuple):
    """A file of a commit: its path, the name of its blob, its mode and its size."""

    path: str
    blob: str
    mode: int
    size: int


class _Below(NamedTuple):
    """What is below a folder, of which nothing is wrong: its files, how many files and folders it has, their paths."""

    files: tuple[BlobAt, ...]
    entries: int
    longest: int


_NOTHING = _Below((), 0, 0)
_known: Past[_Below] = Past(_MOST_KEPT)


class _TooManyFiles(Exception):  # noqa: N818 - as in errors.py
    """The tree has more entries than a commit may have; the argument is a folder of it."""


def listed(handle: objects.Handle, root: str, without: Without | None = None) -> tuple[list[BlobAt], list[Finding]]:
    """Return the files below a tree by their paths, without those that *without* returns True for, and the findings."""
    walk = _Walk(handle, without)
    try:
        walk.enter("", root)
    except _TooManyFiles as error:
        text = f"more than {limits.ENTRIES} files and folders in one commit"
        return [], [_invalid("too-many-files", str(error).rstrip("/") or ".", text)]
    findings = walk.findings or list(_too_much(walk.files))
    return sorted(walk.files), sorted(findings, key=lambda finding: finding.where)


class _Walk:
    """A walk through the folders of one commit; the files and the findings add up."""

    def __init__(self, handle: objects.Handle, without: Without | None) -> None:
        self._handle, self._without = handle, without
        self.files: list[BlobAt] = []
        self.findings: list[Finding] = []
        self._entries = 0

    def enter(self, prefix: str, oid: str) -> None:
        """Add what is below a folder, whose path with a slash is *prefix*."""
        is_kept = bool(prefix) and self._without is None
        known = _known.used(oid) if is_kept else None
        if known and len(prefix) + known.longest <= limits.PATH:
            self._count(prefix, known.entries)
            self.files += [BlobAt(prefix + one.path, one.blob, one.mode, one.size) for one in known.files]
            return
        files, entries, findings = len(self.files), self._entries, len(self.findings)
        below = objects.entries(self._handle, oid)
        for name, inner, mode in below:
            self._take(prefix, name, inner, _MODES.get(mode, mode))
        added = self.files[files:]
        if is_kept and len(added) <= _SMALL and len(self.findings) == findings:
            kept = tuple(one._replace(path=sys.intern(one.path[len(prefix) :])) for one in added)
            longest = max((len(one.path) for one in kept), default=0)
            for _, inner, mode in below if len(kept) <= _FEW else ():
                if mode == _FOLDER:
                    _known.take(inner, _NOTHING)
            _known.keep(oid, _Below(kept, self._entries - entries, longest))

    def _take(self, prefix: str, name: str, oid: str, mode: int) -> None:
        path = prefix + name
        if self._without is not None and self._without(path):
            return
        self._count(prefix, 1)
        if wrong := _wrong(path, name, mode):
            self.findings.append(wrong)
        elif mode == _FOLDER:
            self.enter(f"{path}/", oid)
        else:
            size = objects.size(self._handle, oid)
            self.files.append(BlobAt(path, oid, mode, size))
            self.findings += _too_large(path, size)

    def _count(self, prefix: str, more: int) -> None:
        self._entries += more
        if self._entries > limits.ENTRIES:
            raise _TooManyFiles(prefix)


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def _too_large(path: str, size: int) -> Iterator[Finding]:
    if size > limits.BYTES:
        text = f'"{path}" holds {size >> 20} MiB; the limit is {limits.BYTES >> 20} MiB'
        yield _invalid("file-too-large", path, text)


def _too_much(files: list[BlobAt]) -> Iterator[Finding]:
    """Yield an error if the files together are too large, at the largest one; a file under two names counts twice."""
    total = sum(one.size for one in files)
    if total > limits.BYTES:
        largest = max(files, key=lambda one: (one.size, one.path))
        text = (
            f"the files of this commit hold {total >> 20} MiB together; the limit is"
            f" {limits.BYTES >> 20} MiB; the largest is {largest.path} with {largest.size >> 20} MiB"
        )
        yield _invalid("commit-too-large", largest.path, text)


def _wrong(path: str, name: str, mode: int) -> Finding | None:
    plain = name.isprintable() and not set('\\/"') & set(name) and name.lower() not in {"", ".", "..", ".git"}
    if not plain or len(path) > limits.PATH:
        shown = printable(path)[: limits.PATH]
        return _invalid("unsafe-path", shown, f'"{shown}" is not a plain path name; rename it')
    if mode == _LINK:
        return _invalid(
            "symlink", path, f'"{path}" is a symbolic link, which is never followed; commit the file itself'
        )
    if mode == _SUBMODULE:
        return _invalid("submodule", path, f'"{path}" is a submodule; commit its files themselves')
    return None


def _invalid(rule: str, path: str, text: str) -> Finding:
    return Finding(rule=rule, where=Where(path), text=text, subject=path)
