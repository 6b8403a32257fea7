"""The only user of inotify(7): it watches folders and files, and returns the kernel's events.

Promises: reads are not reported. An instance never waits: its descriptor is for poll(2). Raises OSError with the
kernel's number if no instances or watches are left, or if a path does not exist.

Known limit: a watch is on an inode; to follow a name, watch the folder that contains it.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from typing import NamedTuple

_MODIFIED, _ATTRIBUTES, _CLOSED_WRITTEN, _MOVED, _CREATED, _DELETED = 2, 4, 8, 64 | 128, 256, 512
_DELETED_SELF, _MOVED_SELF, _OVERFLOW, _IGNORED = 1024, 2048, 0x4000, 0x8000
_ONLY_FOLDERS, _NO_LINKS = 0x01000000, 0x02000000
_CHANGES = _MODIFIED | _ATTRIBUTES | _MOVED | _CREATED | _DELETED | _DELETED_SELF | _MOVED_SELF
IN_FOLDER = _CHANGES | _CLOSED_WRITTEN | _ONLY_FOLDERS | _NO_LINKS
OF_FILE = _CHANGES
_EVENT = struct.Struct("iIII")
_MOST_BYTES = 64 << 10


class WatchEvent(NamedTuple):
    """One event: the watch it belongs to and the name in its folder, which is empty for the folder itself.

    The last event of a watch is that it has *ended*, by remove() or with its folder.
    """

    watch: int
    name: str
    overflow: bool = False
    ended: bool = False


class Inotify:
    """One inotify instance; *number* is its descriptor."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.number = _checked(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), "inotify")

    def add(self, path: str, mask: int = IN_FOLDER) -> int:
        """Watch *path*; return the watch's number, which is the same if *path* is watched already."""
        return _checked(self._libc.inotify_add_watch(self.number, os.fsencode(path), ctypes.c_uint32(mask)), path)

    def remove(self, watch: int) -> None:
        """End a watch; it is no error if the watch ended with its folder."""
        self._libc.inotify_rm_watch(self.number, watch)

    def read(self) -> list[WatchEvent]:
        """Return the events in the kernel's queue, at most one buffer; an empty list if the queue is empty."""
        data = b""
        with suppress(BlockingIOError):
            data = os.read(self.number, _MOST_BYTES)
        return _changes(data)

    def close(self) -> None:
        """End all watches."""
        os.close(self.number)


def _checked(number: int, path: str) -> int:
    if number < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return number


def _changes(data: bytes) -> list[WatchEvent]:
    """Return the events in a buffer of struct inotify_event; the end of a watch is a change of the folder itself."""
    changes, start = [], 0
    while start < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, start)
        end = start + _EVENT.size + length
        name = os.fsdecode(data[start + _EVENT.size : end].rstrip(b"\0"))
        changes.append(WatchEvent(watch, name, overflow=bool(mask & _OVERFLOW), ended=bool(mask & _IGNORED)))
        start = end
    return changes
