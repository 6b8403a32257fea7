"""The services that mail or other services can reach."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.reached import asks_elsewhere, idle, routed, unreached_agents, words_in
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

LINE = "maildrop unix - n n - - pipe\n  -o syslog_name=postfix/maildrop user=nobody argv=/usr/bin/maildrop -d\n"
SCAN = {"master.d/x.cf": "scan unix - - n - - smtp\n"}


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


# ---- routes ----------------------------------------------------------------------------------------------------------


def routes(parameters: dict[str, str], files: dict[str, str] | None = None) -> frozenset[str]:
    return routed(Scope(compose(desired(parameters, SCAN | (files or {})), HOST), HOST))


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({"content_filter": "scan:[127.0.0.1]:10024"}, {}),
        ({"default_transport": "scan"}, {}),
        ({"fallback_transport": "scan"}, {}),
        ({"smtpd_sender_restrictions": "check_sender_access inline:{{a@b.example=FILTER scan:[::1]:1}}"}, {}),
        ({}, {"tables/transport": "b.example scan:\n"}),
        ({}, {"tables/transport": "b.example scan\n"}),
        ({"header_checks": "table:h"}, {"tables/h.regexp": "/^X-Scan:/ FILTER scan:[::1]:1\n"}),
        ({"virtual_mailbox_domains": "m.example", "virtual_transport": "scan"}, {}),
        ({}, {"master.d/y.cf": "2525 inet n - n - - smtpd\n  -o content_filter=scan:[::1]:1\n"}),
        ({"transport_maps": "mysql:/etc/postfix/t.cf"}, {}),  # nobody knows
    ],
)
def test_a_service_that_something_names_is_routed(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert "scan" in routes(parameters, files)


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({}, {}),
        ({"virtual_transport": "scan"}, {}),  # without a domain
        ({"mailbox_command": "/usr/bin/scan"}, {}),
        ({}, {"tables/aliases": "postmaster: root\nscan: root\n"}),
        ({}, {"tables/virtual": "scan@v.example root@mx.test.example\n"}),
    ],
)
def test_a_service_that_nothing_names_is_not(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert "scan" not in routes(parameters, files)


def test_address_classes_have_their_transports() -> None:
    assert {"smtp", "local"} <= routes({})
    assert not {"virtual", "relay", "uucp"} & routes({})
    assert {"virtual", "relay"} <= routes({"virtual_mailbox_domains": "m.example", "relay_domains": "r.example"})


@pytest.mark.parametrize(
    ("parameters", "transport", "unreached"),
    [
        ({}, "", set()),
        ({"virtual_mailbox_domains": "m.example"}, "", set()),
        ({"virtual_mailbox_domains": "m.example", "virtual_transport": "lmtp:unix:/x"}, "", {"virtual"}),
        ({"virtual_mailbox_domains": "m.example", "virtual_transport": "lmtp:unix:/x"}, "a.example virtual:", set()),
        ({"virtual_mailbox_domains": "m.example", "virtual_transport": "lmtp:unix:/x"}, "a.example virtual", set()),
        ({"local_transport": "error:no"}, "", {"local"}),
        ({"local_transport": "error:no", "mailbox_transport": "virtual"}, "", {"local"}),
        ({"local_transport": "error:no", "content_filter": "local:"}, "", set()),
        ({"local_transport": "error:no"}, "local.example smtp:[local.example]", {"local"}),
        ({"local_transport": "error:no", "transport_maps": "ldap:/etc/x.cf"}, "", set()),
    ],
)
def test_an_agent_is_reached_by_a_route_that_names_it(
    parameters: dict[str, str], transport: str, unreached: set[str]
) -> None:
    state = desired(parameters, {"tables/transport": f"{transport}\n"} if transport else {})
    assert unreached_agents(compose(state, HOST), HOST) == unreached


def test_a_table_outside_the_commit_may_answer_with_any_transport() -> None:
    merged = compose(desired({"transport_maps": "ldap:/etc/x.cf"}), HOST)
    assert asks_elsewhere(Scope(merged, HOST))
    assert not asks_elsewhere(Scope(compose(desired(), HOST), HOST))
