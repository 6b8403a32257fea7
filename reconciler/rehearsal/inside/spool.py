"""The spool of a rehearsal: an empty queue and the other folders that the configuration names for Postfix's own use.

Raises Unusable when the configuration names a place that Postfix can't use, else OSError as the kernel gives it.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.rehearsal.inside.messages import Parameters
    from reconciler.rehearsal.inside.shown import Reached

_PRIVATE_FOLDERS = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
)  # fmt: skip
_CHROOT = ("hosts", "localtime", "nsswitch.conf", "resolv.conf", "services")
_OF_A_PLACE = {
    errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.ENOENT,
}  # fmt: skip


class Unusable(Exception):  # noqa: N818 - it is the configuration that is wrong, and the text says where
    """A folder that the configuration names can't be used, on the host as little as here."""


def fill(parameters: Parameters, data: Reached | None, *, chroot: bool) -> None:
    """An empty queue, as ``postfix post-install`` would leave it, but in a hundredth of the time.

    *data* is the host's data_directory: one that exists has the owner and the mode that it has on the host.
    """
    owner, drop = pwd.getpwuid(0), 0
    with suppress(KeyError):  # master(8) says it better than we could
        owner = pwd.getpwnam(parameters["mail_owner"])
        drop = grp.getgrnam(parameters["setgid_group"]).gr_gid
    with _usable("queue_directory", parameters["queue_directory"]):
        queue = made(Path(parameters["queue_directory"]))
        for name in _PRIVATE_FOLDERS:
            os.chown(folder(queue / name, 0o700), owner.pw_uid, 0)
        for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
            os.chown(folder(queue / name), owner.pw_uid, drop)
            (queue / name).chmod(mode)  # chown clears the set-id bits
        folder(queue / "pid")
        if chroot:
            _copies(_CHROOT, queue / "etc")
    with _usable("data_directory", parameters["data_directory"]):
        data_folder = made(Path(parameters["data_directory"]))
        if data:
            os.chown(data_folder, data.status.st_uid, data.status.st_gid)
            data_folder.chmod(data.status.st_mode & 0o7777)
        else:
            os.chown(folder(data_folder, 0o700), owner.pw_uid, owner.pw_gid)
    with suppress(KeyError):
        os.chown("/var/mail", 0, grp.getgrnam("mail").gr_gid)
    if parameters["maillog_file"]:
        with _usable("maillog_file", parameters["maillog_file"]):
            made(Path(parameters["maillog_file"]).parent)


def link(queue: str, sockets: Mapping[str, str]) -> None:
    """Have each of these sockets, of which there may be thousands, lead to another one in its folder."""
    for name, other in sockets.items():
        os.symlink(other, f"{queue}/{name}")  # noqa: PTH211 - a Path for each takes longer than the link


@contextmanager
def _usable(name: str, value: str) -> Iterator[None]:
    """Say which setting is wrong when the folder that it names can't be used."""
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in _OF_A_PLACE:
            raise
        why = getattr(error, "strerror", None) or str(error)
        raise Unusable(f"{name} = {value} can't be used: {why}") from error


def made(path: Path, mode: int = 0o755) -> Path:
    """Make a folder if it is missing; one that is there stays as it is."""
    return path if path.is_dir() else folder(path, mode)


def _copies(names: Iterable[str], target: Path) -> None:
    folder(target)
    for name in names:
        with suppress(FileNotFoundError):
            shutil.copy(Path("/etc", name), target / name)


def folder(path: Path, mode: int = 0o755) -> Path:
    """Make a folder of that mode, and those above it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    return path
