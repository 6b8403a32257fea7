"""The processes of this host, as proc(5) shows them, and the clock by which the kernel counts their starts.

Promises: a process that has ended, or that this user may not look at, has no name, no program, no parent and no start.
Raises OSError where /proc is missing.

Known limit: starts are exact to a hundredth of a second.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from reconciler.model.ascii_text import SPACE, is_digits, split_words

_TICKS = os.sysconf("SC_CLK_TCK")
TICK = 1 / _TICKS
"""The kernel's resolution of process start times, in seconds."""
LONGEST = 15
"""Characters of a name that the kernel keeps."""
_STATE, _PARENT, _GROUP, _START = 0, 1, 2, 19  # words of a process's stat, after its name


def running() -> list[int]:
    """Return the process ids of all processes."""
    return [int(name) for name in os.listdir("/proc") if is_digits(name)]  # noqa: PTH208 - many, and often


def name_of(pid: int) -> str:
    """Return the name of a process; where the kernel has cut it off, as it was started."""
    with suppress(OSError):
        kept = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").rstrip("\n")
        if len(kept) < LONGEST:
            return kept
        command = Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode("utf-8", "replace")
        started_as = command.rpartition("/")[2]
        return started_as if started_as.startswith(kept) else kept
    return ""


def program_of(pid: int) -> Path | None:
    """Return the file that a process runs."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink()
    return None


def parent_of(pid: int) -> int | None:
    """Return the parent of a process."""
    stat = _stat(pid)
    return int(stat[_PARENT]) if stat else None


def group_of(pid: int) -> int | None:
    """Return the process group of a process that runs; a zombie does not."""
    stat = _stat(pid)
    return int(stat[_GROUP]) if stat and stat[_STATE] != "Z" else None


def started(pid: int) -> float | None:
    """Return a process's start in seconds since boot, rounded down to a hundredth."""
    stat = _stat(pid)
    return int(stat[_START]) / _TICKS if stat else None


def _stat(pid: int) -> list[str]:
    """Return the words of a process's stat after its name, which may hold blanks."""
    with suppress(OSError):
        return split_words(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2])
    return []


# ---- their clock -----------------------------------------------------------------------------------------------------


def boot_clock() -> float:
    """Return the current time on the clock of started()."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def on_boot_clock(at: float) -> float:
    """Return a time of the real clock, such as a file's, in the seconds of boot_clock()."""
    return boot_clock() - (time.time() - at)


def boot_id() -> str:
    """Return the identifier of the boot that boot_clock() counts from."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip(SPACE)
