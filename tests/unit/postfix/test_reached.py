"""The names that settings and tables mention."""

from __future__ import annotations

import pytest

from reconciler.features import compose
from reconciler.postfix.reached import idle, words_in
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

LINE = "maildrop unix - n n - - pipe\n  -o syslog_name=postfix/maildrop user=nobody argv=/usr/bin/maildrop -d\n"


def test_a_name_may_hold_dots_and_dashes() -> None:
    assert words_in(["smtp:[mx-1.a.example]:25, x"]) == {"smtp", "mx-1.a.example", "25", "x"}


@pytest.mark.parametrize(
    ("parameters", "files", "expected"),
    [
        ({}, {}, {"maildrop/unix"}),
        ({"maildrop_destination_recipient_limit": "1"}, {}, {"maildrop/unix"}),
        ({"mailbox_transport": "maildrop"}, {}, set()),
        ({"transport_maps": "ldap:/etc/people.cf"}, {}, set()),
        ({}, {"tables/transport": "a.example maildrop:\n"}, set()),
    ],
)
def test_a_service_is_idle_if_nothing_names_it(
    parameters: dict[str, str], files: dict[str, str], expected: set[str]
) -> None:
    merged = compose(desired(parameters, {"master.d/m.cf": LINE} | files), HOST)
    pipes = [service for service in merged.entries if service.command == "pipe"]
    assert idle(pipes, merged, HOST) == expected


def test_a_listener_is_never_idle() -> None:
    line = {"master.d/m.cf": "2527 inet n n n - - spawn user=nobody argv=/bin/x\n"}
    merged = compose(desired(files=line), HOST)
    assert idle(merged.entries, merged, HOST).isdisjoint({"2527/inet", "smtp/inet"})
