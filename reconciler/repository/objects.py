"""Objects of a repository within their limits: nothing is unpacked before its header has said how large it is.

A commit message of 300 MiB fits into 300 KB of a push, and libgit2 unpacks a commit whole, also when it only looks for
its parents. So each commit, tag and list of files is measured first, and history is walked here.

whole() raises ObjectTooLarge for an object beyond limits.OBJECT_BYTES, and, like blob(), ValueError for one that is
damaged.
"""

from __future__ import annotations

import hashlib
import heapq
import re
import stat
import zlib
from functools import lru_cache
from itertools import count
from pathlib import Path

from reconciler.model import Where, error_at, limits
from reconciler.model.errors import InvalidSource
from reconciler.repository.inspection import is_regular
from reconciler.repository.libgit2 import FileMode, ObjectType, pygit2

_PIECE = 1 << 20
_MOST_TAGS, _DIGITS = 8, 20
_NEW, _OLD = 1, 2  # which of two commits leads to a third
_LOOSE = re.compile(rb"([a-z]+) ([0-9]+)\0")
_HEADER = 32  # bytes, in which the header of an object is
_NAME_BYTES = 20


Handle = pygit2.Repository


class ObjectTooLarge(InvalidSource):
    """A commit, a tag or a list of files is too large to be read."""

    def __init__(self, oid: str, size: int) -> None:
        text = (
            f"the object {oid} holds {size >> 20} MiB; the limit for a commit, a tag or a list of files is"
            f" {limits.OBJECT_BYTES >> 20} MiB; rewrite the commit without it"
        )
        super().__init__([error_at("object-too-large", Where("."), text, oid)])


def blob(handle: pygit2.Repository, oid: str) -> bytes | None:
    """Return the bytes of a file, each read and inflated once; None for another kind of object."""
    path, inflating = _loose(handle, oid), zlib.decompressobj()
    if not is_regular(path):
        kind, content = whole(handle, oid).odb.read(oid)
        return content if kind == ObjectType.BLOB else None
    try:
        start = inflating.decompress(Path(path).read_bytes(), _HEADER)
        header = _LOOSE.match(start)
        if header is None:
            raise ValueError(f"object {oid} is damaged: it does not say what it is")
        if header[1] != b"blob":
            return None
        size = int(header[2][:_DIGITS])
        content = start[header.end() :] + inflating.decompress(inflating.unconsumed_tail, max(size, 1))
    except zlib.error as error:
        raise ValueError(f"object {oid} is damaged: {error}") from error
    if len(content) < size:
        raise ValueError(f"object {oid} is truncated")
    name = hashlib.sha1(header[0], usedforsecurity=False)
    name.update(content)  # not both at once, which would copy a large table
    if name.hexdigest() != oid:
        raise ValueError(f"object {oid} is damaged: its bytes do not have its name")
    return content


def whole(handle: pygit2.Repository, oid: pygit2.Oid | str) -> pygit2.Repository:
    """Return the handle if it can read an object; libgit2 1.9 hangs with the GIL on a truncated loose one."""
    name = str(oid)
    path, inflating = _loose(handle, name), zlib.decompressobj()
    loose = is_regular(path)  # else packed, or from a push that git has just checked
    data = Path(path).read_bytes() if loose else b""
    try:
        if data:
            start, data = inflating.decompress(data, _PIECE), inflating.unconsumed_tail
            header = _LOOSE.match(start)
            _measure(name, header[1] == b"blob" if header else False, int(header[2][:_DIGITS]) if header else 0)
        while data and not inflating.eof:
            inflating.decompress(data, _PIECE)
            data = inflating.unconsumed_tail
    except zlib.error as error:
        raise ValueError(f"object {oid} is damaged: {error}") from error
    if not loose:
        kind, size = handle.odb.read_header(oid)
        _measure(name, kind == ObjectType.BLOB, size)
    elif not inflating.eof:
        raise ValueError(f"object {oid} is truncated")
    return handle


def _loose(handle: pygit2.Repository, oid: str) -> str:
    """Return the path of an object that is not packed."""
    return f"{handle.path}objects/{oid[:2]}/{oid[2:]}"


def _measure(oid: str, is_file: bool, size: int) -> None:
    if size > limits.OBJECT_BYTES and not is_file:
        raise ObjectTooLarge(oid, size)


def commit_in(handle: pygit2.Repository, oid: pygit2.Oid | str) -> pygit2.Commit | None:
    """Return the commit of that name, or the one that a tag of that name leads to; None for other objects."""
    for _ in range(_MOST_TAGS):
        found = whole(handle, oid)[oid]
        if isinstance(found, pygit2.Commit):
            return found
        if not isinstance(found, pygit2.Tag):
            return None
        oid = found.target
    return None


def rows(handle: pygit2.Repository, oid: str) -> list[bytes]:
    """Return the entries of a list of files as git writes them; entry() reads one."""
    tree = whole(handle, oid)[oid]
    if not isinstance(tree, pygit2.Tree):
        raise ValueError(f"object {oid} is not a tree")  # noqa: TRY004 - damage, as whole() reports it
    raw, found, start = tree.read_raw(), list[bytes](), 0
    while start < len(raw):
        end = raw.index(b"\0", start) + 1 + _NAME_BYTES
        found.append(raw[start:end])
        start = end
    return found


def entry(row: bytes) -> tuple[str, str, int]:
    """Return the name, the object and the mode of an entry, of the modes that git has today."""
    mode, _, name = row[: -_NAME_BYTES - 1].partition(b" ")
    return name.decode("utf-8", "backslashreplace"), row[-_NAME_BYTES:].hex(), _mode(mode)


@lru_cache(maxsize=16)
def _mode(octal: bytes) -> int:
    """Return a mode as libgit2 tells it: a file of old may have other permissions than the two of today."""
    mode = int(octal, 8)
    if stat.S_IFMT(mode) in {FileMode.TREE, FileMode.LINK, FileMode.COMMIT}:
        return stat.S_IFMT(mode)
    return int(FileMode.BLOB_EXECUTABLE if mode & stat.S_IXUSR else FileMode.BLOB)


def size(handle: pygit2.Repository, oid: str) -> int:
    """Return the size of an object; its content is not read."""
    return int(handle.odb.read_header(oid)[1])


def named(handle: pygit2.Repository, name: str) -> pygit2.Oid | str:
    """Return the name of the object that git resolves *name* to; raise KeyError or ValueError if there is none."""
    if re.fullmatch("[0-9a-f]{40}", name):
        return name
    try:
        return handle.lookup_reference_dwim(name or "-").resolve().target  # an empty name would be HEAD
    except (KeyError, ValueError, pygit2.GitError):
        return handle.revparse_single(name).id


# ---- history ---------------------------------------------------------------------------------------------------------


def leads_to(handle: pygit2.Repository, new: str, old: str) -> bool:
    """Return whether *old* is *new* or one of the commits before it."""
    return bool(_walk(handle, new, old)[old] & _NEW)


def holds(handle: pygit2.Repository, oid: str) -> bool:
    """Return whether the object is there; libgit2's own ``in`` unpacks it whole."""
    return handle.odb.exists(pygit2.Oid(hex=oid))


def beyond(handle: pygit2.Repository, new: str, old: str) -> list[pygit2.Commit]:
    """Return the commits that only *new* leads to and not *old*, newest first, without *new*."""
    marks = _walk(handle, new, old)
    return [_commit(handle, oid) for oid, mark in marks.items() if mark == _NEW and oid != new]


def _walk(handle: pygit2.Repository, new: str, old: str) -> dict[str, int]:
    """Return which of the two leads to each commit, newest first, down to where *old* leads to all that are left.

    What only *new* leads to so far may be older than a commit of the same second that *old* leads to.
    """
    marks, order, waiting = {new: _NEW}, count(), list[tuple[int, int, str]]()
    marks[old] = marks.get(old, 0) | _OLD
    open_ends = {oid for oid, mark in marks.items() if mark == _NEW}
    for oid in marks:
        heapq.heappush(waiting, (-_commit(handle, oid).commit_time, next(order), oid))
    oldest = _commit(handle, new).commit_time
    while waiting and (open_ends or -waiting[0][0] >= oldest):
        oid = heapq.heappop(waiting)[2]
        open_ends.discard(oid)
        for parent in map(str, _commit(handle, oid).parent_ids):
            mark = marks.get(parent, 0) | marks[oid]
            if mark != marks.get(parent):
                marks[parent] = mark
                time = _commit(handle, parent).commit_time
                heapq.heappush(waiting, (-time, next(order), parent))
                (open_ends.add if mark == _NEW else open_ends.discard)(parent)
                oldest = min(oldest, time) if mark == _NEW else oldest
    return marks


def _commit(handle: pygit2.Repository, oid: str) -> pygit2.Commit:
    found = whole(handle, oid)[oid]
    if not isinstance(found, pygit2.Commit):
        raise ValueError(f"object {oid} is not a commit")  # noqa: TRY004 - damage, as whole() reports it
    return found
