"""The mount points of this host, as the kernel lists them for this process (proc(5), mountinfo).

Promises: a bind mount counts as well, which os.path.ismount() does not notice. Raises OSError if /proc can't be read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOUNTINFO = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def mounts_in(folder: Path) -> list[Path]:
    """Return the mount points at *folder* and below it; links above its name are followed."""
    place = Path(os.path.realpath(folder.parent), folder.name)
    return [point for point in mount_points(_MOUNTINFO.read_bytes()) if point.is_relative_to(place)]


def is_read_only(path: str) -> bool:
    """Return whether the file system of a path is read-only itself, and not only where it is mounted."""
    device = os.stat(path).st_dev  # noqa: PTH116 - which has an answer for every text
    rows = (line.split(b" ") for line in _MOUNTINFO.read_bytes().split(b"\n") if line)
    options = (row[-1].split(b",") for row in rows if row[2] == b"%d:%d" % (os.major(device), os.minor(device)))
    return b"ro" in next(options, [])


def mount_points(mountinfo: bytes) -> list[Path]:
    """Return the mount points in the kernel's list, each once."""
    lines = mountinfo.decode("utf-8", "surrogateescape").split("\n")
    texts = [line.split(" ")[4] for line in lines if line]
    return [Path(_unescaped(text)) for text in dict.fromkeys(texts)]


def _unescaped(text: str) -> str:
    """Return a path without the octal escapes for blanks, line breaks and backslashes."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
