"""Tell whether a user can use a file or a folder of this host, as the kernel would decide when that user tries.

The answer follows from owner, group and mode of each folder on the way, and not from our own rights: root may do
everything, and our own unit sees most of the host as read-only. Links are followed. Raises nothing: what can't be
looked at gets no answer.

Known limits: a refusal is not told where an access control list may permit more; capabilities, read-only file systems
and the rights of a network file system are not seen.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import NamedTuple

from reconciler.host.effects import named
from reconciler.model import Place, PlaceUse

_ACL = "system.posix_acl_access"


def problem(place: Place) -> str | None:
    """Return why *place* can't be used, empty if it can, or None if that is unknown."""
    try:
        return _problem(Path(os.path.normpath(place.path)), place.use, _user(place.user))
    except (OSError, KeyError):
        return None


class _User(NamedTuple):
    """A user by numbers; uid None stands for every user. Postfix takes only the first group of a user."""

    name: str
    uid: int | None
    gid: int | None = None


def _user(name: str) -> _User:
    if not name:
        return _User("every user", None)
    entry = pwd.getpwnam(name)
    return _User(name, entry.pw_uid, entry.pw_gid)


def _problem(path: Path, use: PlaceUse, user: _User) -> str:
    there = _nearest(path)
    if (blocked := _blocked(there if there == path else there / "x", user)) is not None:
        return f"{user.name} can't reach it, because {blocked} does not let others pass ({_rights(blocked)})"
    if there == path:
        return _use(path, use, user)
    parent_only = there == path.parent and there.is_dir()
    if use is PlaceUse.FOLDER:  # root makes it when Postfix starts, but not its parents
        return "" if parent_only else f"{_missing(path, there)} does not exist"
    if use is PlaceUse.FILE and parent_only:
        return (
            "" if _may(there, user, os.W_OK | os.X_OK) else f"{user.name} can't make it in {there} ({_rights(there)})"
        )
    return f"{_missing(path, there)} does not exist"


def _use(path: Path, use: PlaceUse, user: _User) -> str:
    """Return why a path that exists can't be used."""
    if use is PlaceUse.FILE:
        if path.is_dir():
            return "it is a folder"
        return "" if _may(path, user, os.W_OK) else f"{user.name} can't write it ({_rights(path)})"
    if not path.is_dir():
        return "it is not a folder"
    wanted = os.W_OK | os.X_OK if use is PlaceUse.FOLDER else os.X_OK
    return "" if _may(path, user, wanted) else f"{user.name} can't use it ({_rights(path)})"


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next(one for one in (path, *path.parents) if os.path.exists(one))  # noqa: PTH110 - an answer for every text


def _missing(path: Path, there: Path) -> Path:
    """Return the first part of the path that does not exist below *there*."""
    return there / path.relative_to(there).parts[0]


def _blocked(path: Path, user: _User) -> Path | None:
    """Return the first folder above that the user can't pass; that of a link's target counts, not the link's."""
    above = reversed(path.resolve().parents)
    return next((folder for folder in above if not _may(folder, user, os.X_OK)), None)


def _may(path: Path, user: _User, wanted: int) -> bool:
    status = path.stat()
    if user.uid == 0 or _ACL in os.listxattr(path):
        return True
    if user.uid is None:
        granted = status.st_mode & stat.S_IRWXO
    elif status.st_uid == user.uid:
        granted = status.st_mode >> 6
    else:
        granted = status.st_mode >> 3 if status.st_gid == user.gid else status.st_mode
    return not wanted & ~granted


def _rights(path: Path) -> str:
    status = path.stat()
    return f"{named(status.st_uid, status.st_gid)}, mode {stat.S_IMODE(status.st_mode):04o}"
