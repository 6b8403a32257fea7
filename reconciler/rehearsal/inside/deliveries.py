"""What becomes of the messages of a rehearsal, by the lines of its log, and where trivial-rewrite(8) would send them.

Raises nothing: a trivial-rewrite that does not answer gives an empty next hop.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.rehearsal.inside.messages import PlayedFlow

_DELIVERED = re.compile(r": (?P<queue>[0-9A-Za-z]+): to=<(?P<to>[^>]*)>.* status=(?P<status>\w+)", re.ASCII)
_MESSAGE_ID = re.compile(
    r"cleanup\[\d+\]: (?P<queue>[0-9A-Za-z]+): message-id=<(?P<id>[^>]*)@rehearsal\.example>", re.ASCII
)
_SENDER = re.compile(r": (?P<queue>[0-9A-Za-z]+): from=<(?P<from>[^>]*)>")
_ACTIVE = re.compile(r": (?P<queue>[0-9A-Za-z]+): from=<[^>]*>, size=\d+, nrcpt=(?P<count>\d+) ", re.ASCII)
_PICKED_UP = re.compile(r"pickup\[\d+\]: [0-9A-Za-z]+: uid=0 ", re.ASCII)
SUBMITTED = "Subject: rehearsal\nMessage-ID: <submitted@rehearsal.example>\n\nA rehearsal.\n"
"""The message that is handed to sendmail(1)."""
_DEAD = re.compile(r"fatal: |panic: |bad command startup -- throttling|malformed response|transport unavailable")


def all_ended(lines: list[str], awaited: list[str], queued: dict[str, str]) -> bool:
    """Whether every message has met its end, or something died of one; *queued* are the names of queue files."""
    names = _names(lines, queued)
    wanted = {match["queue"]: int(match["count"]) for line in lines if (match := _ACTIVE.search(line))}
    ends = Counter(match["queue"] for line in lines if (match := _DELIVERED.search(line)))
    ended = {names.get(queue) for queue, count in ends.items() if count >= wanted.get(queue, 1)}
    missing = [name for name in awaited if name not in ended]
    # What died takes its messages with it: as many deaths as messages that are missing, and none of them will come.
    return not missing or sum(1 for line in lines if _DEAD.search(line)) >= len(missing)


def is_picked_up(lines: list[str]) -> bool:
    """Whether pickup(8) has found what was handed to sendmail(1), or a service has died, which may be pickup."""
    return any(_PICKED_UP.search(line) or "-- throttling" in line for line in lines)


def all_tried(lines: list[str], *, is_submitted: bool = False) -> bool:
    """Whether each message that was taken was tried once; what a dialogue has sent is awaited no longer than that.

    What *is_submitted* to sendmail(1) is taken once pickup(8) has found it.
    """
    if is_submitted and not is_picked_up(lines):
        return False
    taken = {match["queue"] for line in lines if (match := _MESSAGE_ID.search(line))}
    return taken <= {match["queue"] for line in lines if (match := _DELIVERED.search(line))}


def routes(
    lines: list[str], flows: Iterable[PlayedFlow], queued: dict[str, str], queue_directory: str
) -> dict[str, list[str]]:
    """Return the next hops to which qmgr(8) sends each flow's message, by its id: one for each final recipient."""
    senders = {flow["id"]: flow["sender"] for flow in flows if flow["is_delivered"]}
    queues = {match["queue"]: match["from"] for line in lines if (match := _SENDER.search(line))}
    names = _names(lines, queued)
    nexthops: dict[str, list[str]] = {}
    for line in lines:
        if (match := _DELIVERED.search(line)) and (name := names.get(match["queue"], "")) in senders:
            sender = queues.get(match["queue"], senders[name])
            nexthops.setdefault(name, []).append(_nexthop(queue_directory, sender, match["to"]))
    return nexthops


def _names(lines: list[str], queued: dict[str, str]) -> dict[str, str]:
    """Whose each queue file is: by what smtpd answered, or by the message's own name, which a header check may drop."""
    return queued | {match["queue"]: match["id"] for line in lines if (match := _MESSAGE_ID.search(line))}


def _nexthop(queue_directory: str, sender: str, recipient: str) -> str:
    """Ask trivial-rewrite(8) as qmgr(8) does: names and values, each ended by a null byte, and one more at the end."""
    request = {"request": "resolve", "sender": sender, "address": recipient}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(Path(queue_directory, "private", "rewrite")))
            connection.sendall(b"".join(f"{name}\0{value}\0".encode() for name, value in request.items()) + b"\0")
            answer = b""
            # A server may announce its protocol first, in attributes of their own, which end as the answer does.
            while b"\0transport\0" not in answer or not answer.endswith(b"\0\0"):
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        except OSError:
            return ""
    words = answer.decode("utf-8", "replace").split("\0")
    return words[words.index("nexthop") + 1] if "nexthop" in words else ""
