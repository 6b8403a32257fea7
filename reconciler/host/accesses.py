"""Test what Postfix's users can do with files, as these users, and how much space is left for mail.

Promises: ask() changes nothing, and takes no longer than TIMEOUT. The kernel answers each question to a thread that has
the user's rights over files for that moment (setfsuid(2)): modes, access control lists and mounts count as they will
for Postfix. Raises nothing.

Known limits: only root can ask as another user; for others the answer is unknown. What a security module forbids a
program of Postfix, and a user's quota, is not seen.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import os
import pwd
import stat
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.mounts import is_read_only
from reconciler.host.together import together
from reconciler.model import AccessKind
from reconciler.model.ascii_text import is_digits

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.model import Access, Space

TIMEOUT = 0.3
_SETGROUPS = {"x86_64": 116, "aarch64": 159, "riscv64": 159, "ppc64le": 81, "s390x": 206}
_NO_CHANGE = 0xFFFFFFFF
_AT_FDCWD, _AT_EACCESS = -100, 0x200  # fcntl.h
_libc = ctypes.CDLL(None, use_errno=True)


class _Rights(NamedTuple):
    uid: int
    gid: int
    groups: tuple[int, ...]


def ask(accesses: Collection[Access]) -> dict[Access, str | None]:
    """Return why each access fails, empty for those that work; None if it is unknown."""
    users = {access.user for access in accesses}
    calls = {user: partial(_as_user, user, [access for access in accesses if access.user == user]) for user in users}
    answers: dict[Access, str | None] = dict.fromkeys(accesses)
    for found in together(calls, TIMEOUT).values():
        answers |= found
    return answers


def measure(spaces: Collection[Space]) -> dict[Space, str | None]:
    """Return why there is too little space, empty where there is enough; None if it is unknown."""
    return dict.fromkeys(spaces) | together({space: partial(_lack, space) for space in spaces}, TIMEOUT)


def _lack(space: Space) -> str | None:
    try:
        found = os.statvfs(space.folder)
    except (OSError, ValueError):
        return None
    free = found.f_bavail * found.f_frsize
    return "" if free > space.bytes else f"only {free >> 20:,} MiB are free"


# ---- as another user -------------------------------------------------------------------------------------------------


def _as_user(user: str, accesses: list[Access]) -> dict[Access, str | None]:
    """Answer in this thread, which ends afterwards."""
    rights = _rights_of(user)
    if rights is None or not _take(rights):
        return {}
    return {access: _problem_of(access) for access in accesses}


def _rights_of(user: str) -> _Rights | None:
    """Return the rights of a user as Access writes it; None for one that does not exist."""
    name, colon, group = user.partition(":")
    try:
        uid = int(name) if is_digits(name) else pwd.getpwnam(name).pw_uid
        gid = _gid_of(group) if group else pwd.getpwuid(uid).pw_gid
        groups = (gid,) if colon else tuple(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    except (KeyError, OverflowError):
        return None
    return _Rights(uid, gid, groups)


def _gid_of(group: str) -> int:
    return int(group) if is_digits(group) else grp.getgrnam(group).gr_gid


def _take(rights: _Rights) -> bool:
    """Take a user's rights over files, for this thread alone; tell whether it has them now."""
    if os.geteuid() == rights.uid:
        return True
    number = _SETGROUPS.get(os.uname().machine)  # libc's own function would change all threads
    groups = (ctypes.c_uint32 * len(rights.groups))(*rights.groups)
    if os.geteuid() or number is None or _libc.syscall(number, len(groups), groups):
        return False
    _libc.setfsgid(ctypes.c_uint32(rights.gid))
    _libc.setfsuid(ctypes.c_uint32(rights.uid))
    return bool(_libc.setfsuid(ctypes.c_uint32(_NO_CHANGE)) == rights.uid)


# ---- what an access needs --------------------------------------------------------------------------------------------


def _problem_of(access: Access) -> str | None:
    try:
        return KINDS[access.kind](access.path)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except ValueError:  # a null byte
        return None


def _denied(path: str, mode: int) -> str:
    """Return why a path that exists can't be used, or empty."""
    if not _libc.faccessat(_AT_FDCWD, os.fsencode(path), mode, _AT_EACCESS):
        return ""
    number = ctypes.get_errno()  # os.access() hides it; a mode that forbids comes before a mount that is read-only
    return "" if number == errno.EROFS and not is_read_only(path) else os.strerror(number).lower()


def _read(path: str) -> str:
    os.stat(path)  # noqa: PTH116 - which has an answer for every text
    return _denied(path, os.R_OK)


def _run(path: str) -> str:
    is_program = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - as above
    return _denied(path, os.X_OK) if is_program else "not a program"


def _write(path: str) -> str:
    os.stat(path)  # noqa: PTH116 - as above
    return _denied(path, os.W_OK)


def _append(path: str) -> str:
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - as above
    except FileNotFoundError:
        return _into(os.path.dirname(path) or "/")  # noqa: PTH120 - as above
    return "is a directory" if is_folder else _denied(path, os.W_OK)


def _make(path: str) -> str:
    """Say what keeps a folder with new/ and tmp/ in it from being made, with all folders above it, or being used."""
    above = path.rstrip("/") or "/"
    while not os.path.lexists(above) and above != "/":
        _reached(above)
        above = os.path.dirname(above)  # noqa: PTH120 - as above
    if above != path.rstrip("/"):
        return _into(above)
    parts = [f"{above}/{name}" for name in ("new", "tmp") if os.path.lexists(f"{above}/{name}")]
    return next(filter(None, map(_into, parts or [above])), "")


def _reached(path: str) -> None:
    """Raise the error that keeps a path from being seen, unless it is missing."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return


def _into(folder: str) -> str:
    """Return why nothing can be made in a folder, or empty."""
    if not stat.S_ISDIR(os.stat(folder).st_mode):  # noqa: PTH116 - as above
        return "not a directory"
    return _denied(folder, os.W_OK | os.X_OK)


KINDS = {
    AccessKind.READ: _read, AccessKind.RUN: _run, AccessKind.WRITE: _write, AccessKind.APPEND: _append,
    AccessKind.MAKE: _make,
}  # fmt: skip
