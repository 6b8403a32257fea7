"""Tell what another user than root may change, from owner, mode and access control list.

Promises: reading only; a link is not followed. Raises OSError for a path that is missing.

Known limit: capabilities and the rights of a network file system are not seen.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from reconciler.host.effects import named

if TYPE_CHECKING:
    from pathlib import Path

_ACL = "system.posix_acl_access"


def is_of_others(path: Path) -> bool:
    """Return whether another user than root may change a file or a folder: its owner, its group, others, or an ACL."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return False
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & stat.S_IWOTH:
        return True
    if not status.st_mode & stat.S_IWGRP:  # with an ACL, these bits are its mask
        return False
    return status.st_gid not in {0, os.getegid()} or _ACL in os.listxattr(path, follow_symlinks=False)


def is_folder(path: Path) -> bool:
    """Return whether it is a folder, and not a link to one; False for what is missing."""
    return path.is_dir() and not path.is_symlink()


def is_folder_of_others(path: Path) -> bool:
    """Return whether it is a folder, not a link, that another user than root may change; False for what is missing."""
    return is_folder(path) and is_of_others(path)


def rights(path: Path) -> str:
    """Return owner, group and mode for people."""
    status = path.lstat()
    return f"{named(status.st_uid, status.st_gid)}, mode {stat.S_IMODE(status.st_mode):04o}"
