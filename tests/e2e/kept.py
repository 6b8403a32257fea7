"""What a run of tests makes once for all of its processes: the first that asks makes it, the others wait for it.

    with kept(key) as copy:
        if not copy.text:
            copy.keep(make())

Promises: it goes with the run of pytest, or without one with this process. If one process fails to make it, the next
one tries.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_own: list[tempfile.TemporaryDirectory[str]] = []


class Copy:
    """One kept text; empty while there is none."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @property
    def text(self) -> str:
        """What is kept."""
        return self._place.read_text() if self._place.exists() else ""

    @property
    def file(self) -> Path:
        """The place for what is no text; what is kept then names it."""
        return self._place.with_suffix(".file")

    def keep(self, text: str) -> None:
        """Keep this text; other processes get it from now on."""
        new = self._place.with_suffix(".new")
        new.write_text(text)
        new.rename(self._place)


@contextmanager
def kept(key: str) -> Iterator[Copy]:
    """Yield the copy of that key; while it is empty, other processes wait."""
    place = Path(_folder(), hashlib.sha256(key.encode()).hexdigest())
    with place.with_suffix(".lock").open("w") as lock:
        if not place.exists():
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Copy(place)


def _folder() -> str:
    """Return the folder that tests/conftest.py made for the run, or one of this process."""
    if folder := os.environ.get("TESTS_KEEP"):
        return folder
    if not _own:
        _own.append(tempfile.TemporaryDirectory())
    return _own[0].name
