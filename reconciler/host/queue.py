"""The mail in a queue folder of Postfix: how much waits there, and how it gets into another one.

Promises: a message that is moved is in one of the two folders at every moment. Raises OSError for a queue that can't be
read.

Known limits: the reasons why a message was deferred before are lost when it is moved; the next attempt tells them anew.
If hash_queue_names has incoming, hold or maildrop, moved messages are taken up at the next start of Postfix.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.model.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.host.effects import Host

# Where a message goes: qmgr(8) takes new ones from incoming, and pickup(8) from maildrop.
_GOES = {
    "maildrop": "maildrop", "incoming": "incoming", "active": "incoming", "deferred": "incoming", "hold": "hold",
}  # fmt: skip
_TIMEOUT = 30.0
_MOMENT = 5  # the hexadecimal digits of the microseconds that a short queue ID begins with


def waiting(folder: Path) -> int:
    """Return how many messages wait in the queue in *folder*; none if it does not exist."""
    return sum(1 for _ in _messages(folder))


def is_held_up(folder: Path) -> bool:
    """Return whether a message is deferred or on hold; True where that can't be seen."""
    try:
        return any(True for _ in _messages(folder, ("deferred", "hold"), _raise_unless_missing))
    except OSError:
        return True


def move(old: Path, new: Path, directory: Path, host: Host) -> int:
    """Move the messages of one queue to another, and return how many could not be moved.

    *directory* is the configuration of the Postfix that reads the new one; it is told to take them up.
    """
    left, moved = 0, False
    for name, message in list(_messages(old)):
        try:
            _take(message, new / _GOES[name] / message.name, host)
            moved = True
        except OSError:
            left += 1
    if moved:
        _take_up(directory, host)
    return left


def _messages(
    folder: Path, names: Iterable[str] = _GOES, onerror: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, Path]]:
    """Yield each message with the name of its queue; large queues have folders of their own within."""
    for name in names:
        for inner, _, files in os.walk(folder / name, onerror=onerror):
            yield from ((name, message) for file in files if _is_message(message := Path(inner, file)))


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_message(path: Path) -> bool:
    """Return whether it is a file that is still there."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _take(message: Path, place: Path, host: Host) -> None:
    """Move a message; to another file system, by a copy that is complete before it has its name."""
    if not place.parent.is_dir():
        raise FileNotFoundError(place.parent)
    if place.exists():
        raise FileExistsError(place)
    if _device(message) == _device(place.parent):
        host.rename(message, place)
    else:
        beside = place.with_name(f".{place.name}")
        host.copy(message, beside)
        host.sync(beside)
        place = place.with_name(_name_of_copy(message, beside))
        host.rename(beside, place)
        host.remove(message)
    host.set_time(place, time.time())  # the time of a deferred message is that of its next attempt


def _device(path: Path) -> int:
    return path.stat().st_dev


def _name_of_copy(message: Path, copy: Path) -> str:
    """Return the name that a copy must have: a short queue ID ends with the number of its file's inode."""
    moment, number = message.name[:_MOMENT], f"{message.stat().st_ino:X}"
    return f"{moment}{copy.stat().st_ino:X}" if message.name == f"{moment}{number}" else message.name


def _take_up(directory: Path, host: Host) -> None:
    """Wake the programs that look for new messages."""
    configuration = ("-c", str(directory))
    with suppress(CommandFailed):  # they look by themselves as well, within minutes
        host.act(("postkick", *configuration, "public", "qmgr", "IA"), timeout=_TIMEOUT)
        host.act(("postkick", *configuration, "public", "pickup", "W"), timeout=_TIMEOUT)
