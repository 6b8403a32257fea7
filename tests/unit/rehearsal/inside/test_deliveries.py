"""When the messages of a rehearsal are over, by the lines of its log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reconciler.rehearsal.inside.deliveries import Course, all_ended, all_tried, routes
from tests.unit.rehearsals import script_of

if TYPE_CHECKING:
    from reconciler.rehearsal.inside.messages import PlayedFlow

TAKEN = "r4/cleanup[1]: 1A2B3: message-id=<agent-7@rehearsal.example>"
ACTIVE = "r5/qmgr[2]: 1A2B3: from=<>, size=300, nrcpt=2 (queue active)"
FIRST = "r15/smtp[3]: 1A2B3: to=<x@far.example>, relay=h, delay=0, dsn=2.0.0, status=sent (ok)"
SECOND = "r15/smtp[3]: 1A2B3: to=<y@far.example>, relay=h, delay=0, dsn=4.0.0, status=deferred (later)"


def course(*lines: str) -> Course:
    return Course().read(lines)


def test_a_message_is_over_when_every_recipient_has_been_tried() -> None:
    assert not all_ended(course(TAKEN, ACTIVE), {"agent-7"})
    assert not all_ended(course(TAKEN, ACTIVE, FIRST), {"agent-7"})
    assert all_ended(course(TAKEN, ACTIVE, FIRST, SECOND), {"agent-7"})


def test_a_message_whose_name_was_dropped_is_known_by_its_queue_id() -> None:
    assert not all_ended(course(ACTIVE, FIRST, SECOND), {"flow-1"})
    assert all_ended(Course({"1A2B3": "flow-1"}).read([ACTIVE, FIRST, SECOND]), {"flow-1"})


def test_a_death_is_the_end_of_one_message() -> None:
    death = "r15/smtp[3]: fatal: open /nosuch: No such file or directory"
    assert all_ended(course(TAKEN, death), {"agent-7"})
    assert not all_ended(course(TAKEN, death), {"agent-7", "agent-8"})


def test_what_was_taken_is_awaited_until_it_was_tried_once() -> None:
    assert all_tried(course())
    assert not all_tried(course(TAKEN, ACTIVE))
    assert all_tried(course(TAKEN, ACTIVE, FIRST))


def test_what_was_submitted_is_awaited_until_it_was_picked_up() -> None:
    picked_up = "r3/pickup[8]: 4C5D: uid=0 from=<root>"
    taken = "r4/cleanup[1]: 4C5D: message-id=<submitted@rehearsal.example>"
    assert not all_tried(course(), is_submitted=True)
    assert all_tried(course(picked_up), is_submitted=True)
    assert not all_tried(course(picked_up, taken), is_submitted=True)


def test_a_route_is_empty_where_trivial_rewrite_does_not_answer() -> None:
    flows = flows_that_expect({"nexthop": "far.example"})
    assert routes(Course({"1A2B3": "flow-0"}).read([ACTIVE, FIRST, SECOND]), flows, "/nosuch") == {"flow-0": ["", ""]}
    assert routes(course(ACTIVE, FIRST, SECOND), flows, "/nosuch") == {}


def test_no_route_is_asked_for_where_the_next_hop_is_not_judged() -> None:
    flows = flows_that_expect({"transport": "smtp"})
    assert routes(Course({"1A2B3": "flow-0"}).read([ACTIVE, FIRST, SECOND]), flows, "/nosuch") == {}


def flows_that_expect(expect: dict[str, str]) -> list[PlayedFlow]:
    return script_of(files={"flows/a.yaml": json.dumps({"a": {"to": "x@far.example", "expect": expect}})}).play["flows"]


def test_many_messages_are_read_as_fast_as_few() -> None:
    """Each line is read once, whatever is asked in between."""
    read = Course()
    for number in range(2000):
        read.read(
            line.replace("1A2B3", f"1A2B{number:X}").replace("agent-7", f"flow-{number}")
            for line in (TAKEN, ACTIVE, FIRST, SECOND)
        )
    assert read.lines == 8000
    assert all_ended(read, {f"flow-{number}" for number in range(2000)})
    assert all_tried(read)
