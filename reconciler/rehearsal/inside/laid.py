"""Lay files of the host, or texts in their place, in the root of a rehearsal before it is entered.

Promises: show() and copy() show only what every user may read, and of an exchanged name the file that was found or
none. Nothing is made, written or mounted outside of the root's own folders, whatever a user makes of his own: until the
root is entered, a link in it would lead to the host. Raises OSError as the kernel gives it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.rehearsal.inside import shown
from reconciler.rehearsal.inside.spool import folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.rehearsal.inside.shown import Reached

BASE = Path("/proc")  # there on every host, and no configuration names a file in it
AGE = 10.0  # as in host/programs/postconf.py, which nothing in here may import
OURS = "rehearsal"
_RDONLY, NOSUID, NODEV, _REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
READ_ONLY = BIND | _REMOUNT | _RDONLY | NOSUID | NODEV
DETACH = 2
_SMALL = 1 << 20
_TRIES = 3
_EXCHANGED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE}
libc = ctypes.CDLL(None, use_errno=True)


def mount(source: Path | str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount something; the flags are those of the system call."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None)
    if libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[4]):
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", str(target))


def show_if_open(path: str, found: Reached | None, *, copied: bool = False) -> bool:
    """Show what a path leads to if every user may read it; tell whether it is shown, or its copy.

    A program that replaces a file may do so right now, so a path that leads elsewhere meanwhile is looked at again.
    """
    for _ in range(_TRIES):
        if not found or not found.is_open:
            return False
        if (copied and copy(found)) or show(found):
            return True
        found = shown.find(path)
    return False


def copy(found: Reached) -> bool:
    """Copy a small file, which costs a tenth of two mounts; tell whether it was one."""
    inside = place_of(found.real)
    if not stat.S_ISREG(found.status.st_mode) or found.status.st_size > _SMALL or os.path.lexists(inside):
        return False
    try:
        with shown.opened(found) as descriptor:
            status, content = os.fstat(descriptor), os.read(descriptor, _SMALL)
    except OSError:  # it was exchanged meanwhile
        return False
    lay(found)
    if not shown.is_for_all(status) or not is_own(inside.parent):
        return False
    inside.write_bytes(content)
    inside.chmod(status.st_mode & 0o7777)
    os.utime(inside, ns=(status.st_atime_ns, status.st_mtime_ns))  # or a table would look older than its source
    return True


def show(found: Reached) -> bool:
    """Show a file, or a folder without what others may not read in it; tell whether it could be shown."""
    lay(found)
    inside = place_of(found.real)
    if os.path.lexists(inside) or not is_own(inside.parent):  # it is shown, or is in a folder that is shown
        return inside.exists()
    is_folder = stat.S_ISDIR(found.status.st_mode)
    try:
        bind(found.real, inside, is_folder=is_folder)
    except OSError as error:
        if error.errno not in _EXCHANGED:
            raise
    now = inside.lstat()
    if shown.identity(now) == found.identity and shown.is_for_all(now):
        if is_folder:
            close(inside)
        return True
    libc.umount2(os.fsencode(inside), DETACH)
    if is_folder:
        inside.rmdir()
    else:
        inside.unlink()
    return False


def lay(found: Reached, *, whole: bool = False) -> None:
    """Make the folders and the links that lead to a file, as they are on the host; if *whole*, also the last folder."""
    for path, status in (*found.folders, *([(found.real, found.status)] if whole else [])):
        inside = place_of(path)
        if not os.path.lexists(inside) and is_own(inside.parent):
            inside.mkdir()
            os.chown(inside, status.st_uid, status.st_gid)
            inside.chmod(status.st_mode & 0o7777)
    for link, target in found.links:
        inside = place_of(link)
        if not os.path.lexists(inside) and inside.parent.is_dir() and is_own(inside.parent):
            inside.symlink_to(target)


def open_for_writing(found: Reached) -> None:
    """Make an empty folder that can be written, with the owner and mode of the host's.

    One of root's below a folder that is shown stays as it is: Postfix writes to its data_directory instead.
    """
    lay(found, whole=True)
    inside = place_of(found.real)
    if inside.is_symlink() or not inside.is_dir() or is_own(inside) or found.status.st_uid == 0:
        return
    ours = BASE / OURS / f"{len(os.listdir(folder(BASE / OURS)))}"  # noqa: PTH208 - a number that is free
    ours.mkdir()
    os.chown(ours, found.status.st_uid, found.status.st_gid)
    ours.chmod(found.status.st_mode & 0o7777)
    mount(ours, inside, flags=BIND)


def is_own(folder: Path) -> bool:
    """Whether something may be made in a folder: it and all above it are the room's own, or are still to be made.

    A link on the way leads to the host until the room is entered, and what is in a folder of the host that is shown may
    become such a link at any moment.
    """
    device = BASE.lstat().st_dev
    for path in (folder, *folder.parents):
        if path == BASE:
            break
        with suppress(FileNotFoundError, NotADirectoryError):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_dev != device:
                return False
    return True


def place_of(path: Path) -> Path:
    """Return where a real path of the host lies before the room is entered."""
    return BASE / path.relative_to("/")


def close(shown_folder: Path, depth: int = 8) -> None:
    """Cover what others may not read below a folder that is shown, down to that depth."""
    for path in closed_below(shown_folder, depth):
        put("", path)


def closed_below(above: Path, depth: int = 8) -> Iterator[Path]:
    """Yield the files below a folder that others may not read, and those in folders that they may not enter."""
    with suppress(FileNotFoundError), os.scandir(above) as entries:
        for entry in entries:
            if entry.is_symlink():
                continue
            is_open = shown.is_for_all(entry.stat(follow_symlinks=False))
            if entry.is_file(follow_symlinks=False) and not is_open:
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False) and not is_open:
                yield from _files_below(Path(entry.path))
            elif entry.is_dir(follow_symlinks=False) and depth > 1:
                yield from closed_below(Path(entry.path), depth - 1)


def _files_below(above: Path) -> Iterator[Path]:
    for path in above.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            yield path


def put(text: str, inside: Path, mode: int = 0o644) -> None:
    """Show a text as a file of that mode, instead of what is there."""
    here = folder(BASE / OURS)
    ours = here / f"{len(os.listdir(here))}"  # noqa: PTH208 - a number that is free
    ours.write_text(text, "utf-8", "surrogateescape")
    ours.chmod(mode)
    os.utime(ours, (time.time() - AGE,) * 2)  # every program sleeps while main.cf is young
    if inside.is_file():
        mount(ours, inside, flags=BIND)
    elif is_own(inside.parent) and not os.path.lexists(inside):
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ours, inside)


def bind(source: Path, target: Path, *, is_folder: bool = True) -> None:
    """Show a file or a folder read-only."""
    if is_folder:
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.touch()
    mount(source, target, flags=BIND)
    mount("none", target, flags=READ_ONLY)
