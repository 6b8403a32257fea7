"""postqueue(1): what waits in the queue and why, and a new attempt for a message that was deferred.

Raises CommandFailed when postqueue does, which it also does while Postfix is stopped.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.model.ascii_text import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.host.effects import Host

TIMEOUT = 10.0
_HEAD = 'postqueue -c "$1" -j | head -n "$2"'


def is_held_up(queue_directory: Path) -> bool:
    """Return whether a message is deferred or on hold, which takes no program; True where only postqueue may look."""
    folders = (queue_directory / "deferred", queue_directory / "hold")
    try:
        return any(_has_files(folder) for folder in folders if folder.is_dir())
    except OSError:
        return True


def _has_files(folder: Path) -> bool:
    """Return whether a file is in a folder, or in one below it (hash_queue_depth)."""
    with os.scandir(folder) as found:
        return any(_has_files(Path(one.path)) if one.is_dir(follow_symlinks=False) else True for one in found)


def queued(host: Host, directory: Path, most: int = 0) -> list[dict[str, Any]]:
    """Every message in the queue, or as many as *most*, as ``postqueue -j`` tells of it."""
    whole = ("postqueue", "-c", str(directory), "-j")
    head = ("sh", "-c", _HEAD, "sh", str(directory), str(most))
    listed = host.run(head if most else whole, timeout=TIMEOUT).checked()
    return [json.loads(line) for line in split_lines(listed.stdout)]


def reasons(messages: Iterable[dict[str, Any]]) -> Counter[str]:
    """Why deferred messages wait, as the last attempt told, and how many for each; each message counts once."""
    told = (
        next((str(one["delay_reason"]) for one in message["recipients"] if one.get("delay_reason")), "")
        for message in messages
        if message["queue_name"] == "deferred"
    )
    return Counter(filter(None, told))


def held(messages: Iterable[dict[str, Any]]) -> int:
    """Return the number of messages on hold."""
    return sum(message["queue_name"] == "hold" for message in messages)


def retry(host: Host, directory: Path, names: Iterable[str]) -> None:
    """Have qmgr take these deferred messages up now; their route is looked up anew."""
    for name in names:
        host.act(("postqueue", "-c", str(directory), "-i", name), timeout=TIMEOUT).checked()
