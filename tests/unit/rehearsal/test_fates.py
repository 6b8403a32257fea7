"""What became of messages, from lines that are each read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.postfix.log import parse
from reconciler.rehearsal.fates import read_fates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.postfix.log import LogLine

LINES = (
    "r4/cleanup[1]: {queue}: message-id=<flow-{number}@rehearsal.example>",
    "r5/qmgr[2]: {queue}: from=<s@x>, size=300, nrcpt=1 (queue active)",
    "r15/smtp[3]: {queue}: to=<x@far.example>, relay=h, delay=0, dsn=2.0.0, status=sent (ok)",
)


def parsed(*lines: str) -> list[LogLine]:
    return [line for text in lines if (line := parse(text))]


class Counted:
    """Lines that count how often they are read from the beginning."""

    def __init__(self, lines: Iterable[LogLine]) -> None:
        self.lines, self.readings = list(lines), 0

    def __iter__(self) -> Iterator[LogLine]:
        self.readings += 1
        return iter(self.lines)


def test_the_fates_of_many_messages_take_one_reading() -> None:
    lines = Counted(
        parsed(*(line.format(queue=f"1A{number:X}", number=number) for number in range(1000) for line in LINES))
    )
    fates = read_fates(lines, [])
    assert lines.readings == 1
    assert fates.queues["flow-999"] == {"1A3E7"}
    assert [end.status for end in fates.ends["1A3E7"]] == ["sent"]
    assert fates.senders["1A3E7"] == {"s@x"}
    assert "1A3E7" in fates.active


def test_what_is_held_or_refused_or_warned_of_is_told() -> None:
    fates = read_fates(
        parsed(
            "r4/smtpd[9]: 1AB: hold: RCPT from x[1.2.3.4]: triggers HOLD action; from=<s@x> to=<a@b>",
            "r5/cleanup[8]: 1AB: reject: header Subject: spam from x[1.2.3.4]; from=<s@x>",
            "r6/pipe[7]: warning: first",
            "r6/pipe[7]: warning: last",
        ),
        [],
    )
    assert [(one.queue, one.what) for one in fates.gone] == [("1AB", "hold")]
    assert fates.content.startswith(": header Subject: spam")
    assert fates.warnings == {("r6/pipe", 7): "last"}


def test_a_message_that_arrived_is_known_by_its_header() -> None:
    message = {"header": ["Received: by x", "Message-ID: <flow-3@rehearsal.example>"], "source": "192.0.2.1"}
    assert read_fates([], [message]).arrived == {"flow-3": [message]}  # type: ignore[list-item]
