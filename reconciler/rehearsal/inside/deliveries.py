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
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from reconciler.rehearsal.inside.messages import PlayedFlow

_DELIVERED = re.compile(r": (?P<queue>[0-9A-Za-z]+): to=<(?P<to>[^>]*)>.* status=(?P<status>\w+)", re.ASCII)
_MESSAGE_ID = re.compile(
    r"cleanup\[\d+\]: (?P<queue>[0-9A-Za-z]+): message-id=<(?P<id>[^>]*)@rehearsal\.example>", re.ASCII
)
_SENDER = re.compile(
    r": (?P<queue>[0-9A-Za-z]+): from=<(?P<from>[^>]*)>(?:, size=\d+, nrcpt=(?P<count>\d+) )?", re.ASCII
)
_PICKED_UP = re.compile(r"pickup\[\d+\]: [0-9A-Za-z]+: uid=0 ", re.ASCII)
SUBMITTED = "Subject: rehearsal\nMessage-ID: <submitted@rehearsal.example>\n\nA rehearsal.\n"
"""The message that is handed to sendmail(1)."""
_DEAD = re.compile(r"fatal: |panic: |bad command startup -- throttling|malformed response|transport unavailable")


class Course:
    """What the log says of the messages of a rehearsal so far; each line is read once, however many there are.

    *queued* are the names of messages by their queue files, as smtpd answered; a header check may drop the message's
    own name. *ended* are the names of those whose recipients have all been tried, and *taken* the queue files that
    cleanup(8) has made. *ends* counts the recipients of each queue file that were tried, *dead* the signs of a death,
    *lines* what was read.
    """

    def __init__(self, queued: Mapping[str, str] | None = None) -> None:
        self.names, self.senders = dict(queued or {}), dict[str, str]()
        self.ended, self.taken = set[str](), set[str]()
        self.dead, self.is_picked_up = 0, False
        self.deliveries: list[tuple[str, str]] = []
        self.lines = 0
        self._wanted: dict[str, int] = {}
        self.ends: Counter[str] = Counter()

    def read(self, lines: Iterable[str]) -> Course:
        """Read more lines; return the same course."""
        for line in lines:
            self.lines += 1
            self._read(line)
        return self

    def _read(self, line: str) -> None:
        queue = ""
        if match := _DELIVERED.search(line):
            queue = match["queue"]
            self.ends[queue] += 1
            self.deliveries.append((queue, match["to"]))
        elif match := _MESSAGE_ID.search(line):
            queue = match["queue"]
            self.names[queue] = match["id"]
            self.taken.add(queue)
        elif match := _SENDER.search(line):
            queue = match["queue"]
            self.senders[queue] = match["from"]
            if match["count"]:
                self._wanted[queue] = int(match["count"])
        elif _PICKED_UP.search(line):
            self.is_picked_up = True
        if queue in self.names and self.ends[queue] >= self._wanted.get(queue, 1):
            self.ended.add(self.names[queue])
        if _DEAD.search(line):
            self.dead += 1
        if "-- throttling" in line:  # a service has died, which may be pickup
            self.is_picked_up = True


def all_ended(course: Course, awaited: AbstractSet[str]) -> bool:
    """Whether every message has met its end, or something died of one."""
    # What died takes its messages with it: as many deaths as messages that are missing, and none of them will come.
    # The numbers are compared first, for this is asked after each line.
    return course.dead >= len(awaited) - len(course.ended) and course.dead >= len(awaited - course.ended)


def all_tried(course: Course, *, is_submitted: bool = False) -> bool:
    """Whether each message that was taken was tried once; what a dialogue has sent is awaited no longer than that.

    What *is_submitted* to sendmail(1) is taken once pickup(8) has found it.
    """
    return (course.is_picked_up or not is_submitted) and course.taken <= course.ends.keys()


def routes(course: Course, flows: Iterable[PlayedFlow], queue_directory: str) -> dict[str, list[str]]:
    """Return the next hops to which qmgr(8) sends each flow's message, by its id: one for each final recipient.

    Only flows of which the next hop is judged have them, for trivial-rewrite(8) is asked one by one.
    """
    senders = {flow["id"]: flow["sender"] for flow in flows if flow["is_routed"]}
    nexthops: dict[str, list[str]] = {}
    for queue, recipient in course.deliveries:
        if (name := course.names.get(queue, "")) in senders:
            sender = course.senders.get(queue, senders[name])
            nexthops.setdefault(name, []).append(_nexthop(queue_directory, sender, recipient))
    return nexthops


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
