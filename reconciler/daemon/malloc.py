"""glibc's heap, which returns memory to the system early and when asked (mallopt(3), malloc_trim(3)). Raises nothing.

Known limit: other C libraries do not have these functions.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX, _LARGE = -1, -3, -8, 128 << 10  # <malloc.h>


def spare_memory() -> None:
    """Have glibc return the memory of a large table: map large blocks, and use one heap for all threads."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, _LARGE)):
            mallopt(name, value)


def return_free_memory() -> None:
    """Have glibc return all pages that hold nothing, wherever in its heap they are."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
