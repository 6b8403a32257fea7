"""postqueue(1): what waits in the queue and why, and a new attempt for a message that was deferred.

Raises CommandFailed when postqueue does, which it also does while Postfix is stopped.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from reconciler.model.ascii_text import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reconciler.host.effects import Host

TIMEOUT = 10.0
_HEAD = 'postqueue -c "$1" -j | head -n "$2"'


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
