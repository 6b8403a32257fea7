"""The room on a file system: whether reconciler can write where it must. Raises nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LEAST = 1 << 20  # bytes
LEAST_INODES = 50  # a generation takes that many


def trouble(folder: Path) -> str:
    """Return why nothing can be written below a folder; empty if it can be, or is not there."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return ""
    if room.f_flag & os.ST_RDONLY:
        return f"read-only file system of {folder}, so no commit can be applied"
    if room.f_bfree * room.f_frsize < LEAST:
        return f"no space left on the file system of {folder}, so no commit can be applied"
    if room.f_files and room.f_ffree < LEAST_INODES:
        return f"no inodes left on the file system of {folder}, so no commit can be applied"
    return ""
