"""postqueue(1): what waits in the queue, and a new attempt for a message that was deferred.

Raises CommandFailed when postqueue does, which it also does while Postfix is stopped.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reconciler.host import Host

TIMEOUT = 10.0


def queued(host: Host, directory: Path) -> list[dict[str, Any]]:
    """Every message in the queue, as ``postqueue -j`` tells of it."""
    listed = host.run(("postqueue", "-c", str(directory), "-j"), timeout=TIMEOUT).checked()
    return [json.loads(line) for line in listed.stdout.splitlines()]


def retry(host: Host, directory: Path, names: Iterable[str]) -> None:
    """Have qmgr take these deferred messages up now; their route is looked up anew."""
    for name in names:
        host.act(("postqueue", "-c", str(directory), "-i", name), timeout=TIMEOUT).checked()
