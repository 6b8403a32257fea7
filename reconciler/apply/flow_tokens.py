"""Give back what questions take from Postfix's flow control, so that they slow down neither each other nor mail.

Each message that comes in takes a token of the queue manager, which has as many as processes may run
(default_process_limit). Without a token, cleanup(8) waits for in_flow_delay, which is a second. A question that ends
before its message takes one as well, and no program gives it back: the queue manager makes new ones when it wakes up.
After a hundred questions on a host without mail, each answer is a second late, and so is the next message.

Promises: refill() wakes the queue manager up, as cleanup(8) does for each message. It raises nothing: where no queue
manager listens, no mail moves, which other checks find.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_QUEUE_MANAGER = "public/qmgr"
_SCAN = b"I"
"""The request to look at the incoming queue."""
_SECONDS = 0.5


def refill(queue: Path) -> None:
    """Have the queue manager of a queue directory make the tokens that are missing."""
    path = queue / _QUEUE_MANAGER
    with suppress(OSError):
        mode = path.lstat().st_mode  # the folder is not root's, and a link in it could lead anywhere
        if stat.S_ISSOCK(mode):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_SECONDS)
                connection.connect(str(path))
                connection.sendall(_SCAN)
        elif stat.S_ISFIFO(mode):  # in a master.cf that has come from Postfix 2
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                stream.write(_SCAN)
