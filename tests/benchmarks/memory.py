"""The memory of a process and of its children together, seen from outside while something happens.

    with Peak(daemon) as peak:
        push()
    print(peak.together)

What several of them share is counted once (Pss of proc(5)), in MiB. Known limit: it looks thirty times a second, since
a look takes milliseconds, so a child that lives for less may be missed.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAUSE = 0.03
_KIB = 1024


class Peak:
    """Looks in a thread of its own; *together* is the most that all had at one moment, *child* the largest child."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.together = self.child = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_PAUSE):
            children = [_shared(child) for child in descendants(self._pid)]
            self.child = max(self.child, *children, 0.0)
            self.together = max(self.together, sum(children) + _shared(self._pid))


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and those that they have, as far as they live."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text("ascii").split()):
                yield child
                yield from descendants(child)


def resident(pid: int) -> tuple[float, float]:
    """Return what a process has in memory now, and the most that it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    now, peak = (int(fields[name].split()[0]) / _KIB for name in ("VmRSS", "VmHWM"))
    return now, peak


def _shared(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / _KIB
    return 0.0
