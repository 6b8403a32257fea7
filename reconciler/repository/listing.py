"""The files below a tree of a commit, and what is wrong with their names, their kinds and their sizes.

Of a folder with many entries it is remembered what is below each of them: of thousands of sites, a commit changes one.
Nothing is remembered, nor taken from memory, where some paths are left out.

Raises what libgit2 raises, and ValueError for an object that is not a tree.

Known limit: that the blobs of a folder are there is seen when it is listed the first time, and when they are read.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Finding, Where, limits, printable
from reconciler.model.past import PastOfEach
from reconciler.repository import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Without = Callable[[str], bool]

_MOST_FOLDERS, _MANY = 4, 16
_FOLDER, _LINK, _SUBMODULE = 0o040000, 0o120000, 0o160000  # the modes of git


class BlobAt(NamedTuple):
    """A file of a commit: its path, the name of its blob, its mode and its size."""

    path: str
    blob: str
    mode: int
    size: int


class _Below(NamedTuple):
    """What is below a folder, or one entry of it: its files, how many files and folders it has, and what is wrong."""

    files: tuple[BlobAt, ...]
    entries: int
    findings: tuple[Finding, ...] = ()


_LEFT_OUT = _Below((), 0)
_known: PastOfEach[bytes, _Below] = PastOfEach(_MOST_FOLDERS, by_value=True)
"""By the paths of folders with many entries: what is below each entry, which says its content."""


class _TooManyFiles(Exception):  # noqa: N818 - as in errors.py
    """The tree has more entries than a commit may have; the argument is a folder of it."""


def listed(handle: objects.Handle, root: str, without: Without | None = None) -> tuple[list[BlobAt], list[Finding]]:
    """Return the files below a tree by their paths, without those that *without* returns True for, and the findings."""
    try:
        found = _Walk(handle, without).below("", root)
    except _TooManyFiles as error:
        text = f"more than {limits.ENTRIES} files and folders in one commit"
        return [], [_invalid("too-many-files", str(error).rstrip("/") or ".", text)]
    files = sorted(found.files)
    return files, sorted(found.findings or _too_much(files), key=lambda finding: finding.where)


class _Walk:
    """A walk through the folders of one commit, which ends when there are too many files and folders."""

    def __init__(self, handle: objects.Handle, without: Without | None) -> None:
        self._handle, self._without = handle, without
        self._seen = 0

    def below(self, prefix: str, oid: str) -> _Below:
        """Return what is below a folder, whose path with a slash is *prefix*."""
        rows, look = objects.rows(self._handle, oid), partial(self._entry, prefix)
        is_known = self._without is None and len(rows) >= _MANY
        found = _known.of(rows, (), look, prefix) if is_known else list(map(look, rows))
        files, entries, findings = zip(*found, strict=True) if found else ((), (), ())
        if (count := sum(entries)) > limits.ENTRIES:
            raise _TooManyFiles(prefix)
        return _Below(tuple(chain.from_iterable(files)), count, tuple(chain.from_iterable(findings)))

    def _entry(self, prefix: str, row: bytes) -> _Below:
        """Return what is below an entry of a folder, with the entry itself."""
        name, oid, mode = objects.entry(row)
        path = prefix + name
        if self._without is not None and self._without(path):
            return _LEFT_OUT
        self._seen += 1
        if self._seen > limits.ENTRIES:
            raise _TooManyFiles(prefix)
        if wrong := _wrong(path, name, mode):
            return _Below((), 1, (wrong,))
        if mode == _FOLDER:
            files, entries, findings = self.below(f"{path}/", oid)
            return _Below(files, entries + 1, findings)
        size = objects.size(self._handle, oid)
        return _Below((BlobAt(path, oid, mode, size),), 1, tuple(_too_large(path, size)))


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
