"""The heap: how soon glibc gives memory back to the system (mallopt(3)). Raises nothing.

Known limit: another C library has no such words, and keeps what it likes.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX, _LARGE = -1, -3, -8, 128 << 10  # <malloc.h>


def spare_memory() -> None:
    """Have glibc give back what a large table took: it is mapped, and all threads share one heap."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, _LARGE)):
            mallopt(name, value)
