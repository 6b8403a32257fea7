"""Which queued mail is tried again when a transport goes."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.apply.requeue import concerns, rerouted
from reconciler.model import File
from reconciler.trees.plan import diff

STAYS = b"smtp unix - - n - - smtp\n"
GOES = b"site12-out unix - - n - - smtp\n127.0.0.1:26 inet n - n - - smtpd\n"
ROWS = b"@Twelve.test site12-out:\nbulk.test site12-out:[relay.test]\n.sub.test site12-out:\nother.test smtp:\n"


def compiled(text: bytes) -> File:
    return File.of(text, compiled="postmap lmdb")


def test_rows_that_named_a_transport_which_goes_are_known_by_their_keys() -> None:
    live = {"master.cf": File.of(STAYS + GOES), "rows": compiled(ROWS), "same": compiled(b"same.test site12-out:\n")}
    target = {"master.cf": File.of(STAYS), "same": live["same"]}
    assert rerouted(diff(live, target)) == {"@twelve.test", "bulk.test", ".sub.test"}
    folded = {**live, "rows": compiled(ROWS + b"folded.test\n  site12-out:\n")}
    assert rerouted(diff(folded, target)) == {"@twelve.test", "bulk.test", ".sub.test", "folded.test"}
    assert not rerouted(diff(live, live | {"rows": compiled(b"")}))
    assert not rerouted(diff(target, live))


@pytest.mark.parametrize(
    ("sender", "recipient", "expected"),
    [
        ("A@twelve.test", "x@far.test", True), ("a@far.test", "x@bulk.test", True),
        ("a@far.test", "x@b.sub.test", True),
        ("a@x.twelve.test", "x@far.test", False), ("MAILER-DAEMON", "x@far.test", False), ("", "x@sub.test", False),
    ],
)  # fmt: skip
def test_a_message_is_concerned_by_its_sender_or_a_recipient(sender: str, recipient: str, expected: bool) -> None:
    message: dict[str, Any] = {"sender": sender, "recipients": [{"address": recipient}]}
    assert concerns(message, frozenset({"@twelve.test", "bulk.test", ".sub.test"})) is expected
