"""File descriptors that end a sleep."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Ends:
    """Descriptors that can be read once processes have ended, closed at the end of a with."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._opened: list[int] = []

    def __enter__(self) -> list[int]:
        for pid in self._pids:
            with suppress(ProcessLookupError):
                self._opened.append(os.pidfd_open(pid))
        return self._opened

    def __exit__(self, *_: object) -> None:
        for number in self._opened:
            os.close(number)


class Descriptor:
    """A file descriptor that may be none, closed at the end of a with."""

    def __init__(self, number: int | None) -> None:
        self._number = number

    def __enter__(self) -> int | None:
        return self._number

    def __exit__(self, *_: object) -> None:
        if self._number is not None:
            os.close(self._number)
