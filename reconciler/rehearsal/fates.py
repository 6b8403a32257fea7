"""What became of the mail of a rehearsal, by its log: each line is read once, however many messages there are.

Pure: a part of the evidence. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.rehearsal.master_cf import QUEUE_MANAGERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.postfix.log import LogLine
    from reconciler.rehearsal.inside.messages import Message

_WARNS = "warning: "
_NAMED = re.compile(r"(?P<queue>\w+): message-id=<(?P<name>[^@>]*)@", re.ASCII)
_END = re.compile(r"(?P<queue>\w+): to=<(?P<to>[^>]*)>.* status=(?P<status>\w+)", re.ASCII)
_FROM = re.compile(r"(?P<queue>\w+): from=<(?P<sender>[^>]*)>", re.ASCII)
_GONE = re.compile(r"\A(?P<queue>\w+): (?P<what>discard|hold): (?P<why>.*)", re.ASCII)
_CONTENT = re.compile(r"reject(: (?:header|body) .{1,60})")
_IN_HEADER = re.compile(r"<(flow-[0-9]+)@")


@dataclass(frozen=True, slots=True)
class End:
    """How a delivery to one recipient ended."""

    line: LogLine
    recipient: str
    status: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A message that was discarded or put on hold: the queue file, which of both, and the reason."""

    queue: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Fates:
    """What the log says of messages, by their queue files or their names; *arrived* are those that servers took.

    *active* are the queue files that qmgr(8) has opened, *warnings* the last one of each process, and *content* the
    first check of a header or a body that refused.
    """

    queues: Mapping[str, set[str]] = field(default_factory=dict)
    ends: Mapping[str, list[End]] = field(default_factory=dict)
    senders: Mapping[str, set[str]] = field(default_factory=dict)
    arrived: Mapping[str, list[Message]] = field(default_factory=dict)
    active: frozenset[str] = frozenset()
    gone: tuple[Gone, ...] = ()
    warnings: Mapping[tuple[str, int], str] = field(default_factory=dict)
    content: str = ""


def read_fates(lines: Iterable[LogLine], received: Sequence[Message]) -> Fates:
    """Read the log and what servers received, once."""
    queues, ends, senders = dict[str, set[str]](), dict[str, list[End]](), dict[str, set[str]]()
    active, gone, warnings, content = set[str](), list[Gone](), dict[tuple[str, int], str](), ""
    for line in lines:
        if match := _NAMED.match(line.text):
            queues.setdefault(match["name"], set()).add(match["queue"])
        elif match := _END.match(line.text):
            ends.setdefault(match["queue"], []).append(End(line, match["to"], match["status"]))
        elif match := _FROM.match(line.text):
            senders.setdefault(match["queue"], set()).add(match["sender"])
            if line.program in QUEUE_MANAGERS:
                active.add(match["queue"])
        elif match := _GONE.match(line.text):
            gone.append(Gone(match["queue"], match["what"], match["why"]))
        if line.text.startswith(_WARNS):
            warnings[line.tag, line.pid] = line.text.removeprefix(_WARNS)
        content = content or (match[1] if (match := _CONTENT.search(line.text)) else "")
    return Fates(queues, ends, senders, _by_flow(received), frozenset(active), tuple(gone), warnings, content)


def _by_flow(received: Sequence[Message]) -> dict[str, list[Message]]:
    """Return the messages that arrived by the flows that sent them, whose names are in a line of their headers."""
    arrived: dict[str, list[Message]] = {}
    for message in received:
        for name in dict.fromkeys(name for line in message["header"] for name in _IN_HEADER.findall(line)):
            arrived.setdefault(name, []).append(message)
    return arrived
