"""The limits of a rehearsal: what one process may take, held by the kernel, and all of them together, by a guard.

Promises: a candidate that takes too much ends soon, all of it at once, and the machine has its memory and its process
table back. The guard runs in PID 1 of the namespace: whatever it kills is the candidate's. Raises nothing.

Known limits: memory counts what processes have for themselves and what lies in files; between two looks, a candidate
may take more. The control group of the daemon's unit is what holds then.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.rehearsal.inside.messages import Bounds

SECONDS = 60
PAUSE = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")
_URGENT = -15
_PID = re.compile("[0-9]+")


def inherit(limits: Bounds) -> None:
    """Limit this process and all that it starts: its data, its files, its processor time, and no core file."""
    ceilings = {
        resource.RLIMIT_DATA: limits["memory"],
        resource.RLIMIT_FSIZE: limits["space"],
        resource.RLIMIT_CPU: SECONDS + int(limits["more_seconds"]),
        resource.RLIMIT_CORE: 1,  # 1 is what keeps the kernel from asking the host's own handler
    }
    for kind, most in ceilings.items():
        ceiling = resource.getrlimit(kind)[1]
        least = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(kind, (least, least))


def guard(limits: Bounds, end: Callable[[str], None]) -> None:
    """Look again and again; when the candidate has taken too much, kill it and *end* with the reason."""
    threading.Thread(target=_guard, args=(limits, end), name="guard", daemon=True).start()


def _guard(limits: Bounds, end: Callable[[str], None]) -> None:
    with suppress(OSError):  # a thousand processes leave little of a processor to the one that must end them
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _URGENT)
    while not (excess := _excess(limits)):
        time.sleep(PAUSE)
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # all but this one (kill(2)), and none can fork meanwhile
    end(excess)


def _excess(limits: Bounds) -> str:
    """Return what there is too much of, or empty."""
    running = [name for name in os.listdir("/proc") if _PID.fullmatch(name)]  # noqa: PTH208 - twenty times a second
    if len(running) > limits["processes"]:
        return f"more than {limits['processes']:,} processes"
    files = os.statvfs("/")
    taken = (files.f_blocks - files.f_bfree) * files.f_frsize + sum(_own_memory(running))
    return f"more than {limits['memory'] >> 20:,} MiB of memory" if taken > limits["memory"] else ""


def _own_memory(processes: list[str]) -> Iterator[int]:
    """Yield the bytes that each process shares with no file; proc(5), statm."""
    for name in processes:
        with suppress(OSError):  # it has ended
            with open(f"/proc/{name}/statm", "rb") as stream:  # noqa: PTH123 - as above
                _, resident, shared, *_ = stream.read().split(b" ")
            yield (int(resident) - int(shared)) * _PAGE
