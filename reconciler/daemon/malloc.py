"""Settings of glibc's heap, so that it returns memory to the system early (mallopt(3)). Raises nothing.

Known limit: other C libraries do not have these settings.
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
