"""Next hops, and the places of the programs that smtpd asks."""

from __future__ import annotations

import pytest

from tests.unit.states import the, told

RULE = "malformed-nexthop"


@pytest.mark.parametrize(
    ("relayhost", "meant"),
    [
        ("smtp://mail.relay.com:587", "mail.relay.com:587"),
        ("smtp:[mail.relay.com]:587", "[mail.relay.com]:587"),
        ("[mail.relay.com:587", "[mail.relay.com]:587"),
        ("[mail.relay.com] :587", "[mail.relay.com]:587"),
        ("[mail.relay.com]:submision", "[mail.relay.com]:submission"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[h]587", ""),
        (":2525", ""),
        ("[mail.relay.com.]", ""),
        ("127.0.0.1/25", ""),
    ],
)
def test_a_relayhost_that_smtp_cannot_read_is_refused(relayhost: str, meant: str) -> None:
    text = the(RULE, {"relayhost": relayhost})
    assert relayhost in text
    assert text.endswith(f"did you mean {meant}?" if meant else "")


@pytest.mark.parametrize(
    "relayhost",
    [
        "", "[mail.relay.com]:587", "mail.relay.com", "[192.0.2.1]", "[2001:db8::1]:25", "[IPv6:2001:db8::1]",
        "[h]:submission", "a.example:25, [b.example]", "$mydomain", "[my_host.example]:", "bücher.example",
    ],
)  # fmt: skip
def test_a_relayhost_that_smtp_can_read_is_fine(relayhost: str) -> None:
    assert not told(RULE, {"relayhost": relayhost})


def test_a_relayhost_of_another_program_is_its_own_affair() -> None:
    uucp = {"master.d/uucp.cf": "uucp unix - n n - - pipe user=vmail argv=/usr/bin/uux $nexthop\n"}
    assert not told(RULE, {"relayhost": "host!next", "default_transport": "uucp"}, uucp)


@pytest.mark.parametrize(
    "route",
    ["smtp:[host", "smtp:[127.0.0.1]:99999", "relaylim:[h]:0", "smtp:[h]:smpt", "lmtp:h:unix", "smtp:unix:/run/x"],
)
def test_a_next_hop_of_a_table_or_a_parameter_is_read_as_well(route: str) -> None:
    assert the(RULE, files={"tables/transport": f"slow.example {route}\n"}).startswith("tables/transport:1:1:")
    assert "default_transport" in the(RULE, {"default_transport": route})
    filtering = {"smtpd_sender_restrictions": "check_sender_access table:s"}
    assert "FILTER" in the("unknown-action", filtering, {"tables/s": f"x.example FILTER {route}\n"})


@pytest.mark.parametrize(
    "route",
    [
        "smtp:", "smtp:[h]:smtp", "lmtp:unix:private/x", "lmtp:inet:h:24", "error:5.1.1 no [", ":[h]", "virtual:",
        "smtp: [h]:25", "local:[",
    ],
)  # fmt: skip
def test_a_next_hop_that_its_program_reads_is_fine(route: str) -> None:
    for rule in (RULE, "unknown-transport"):
        assert not told(rule, files={"tables/transport": f"slow.example {route}\n"})


def test_relays_by_sender_and_fallback_relays_are_next_hops_too() -> None:
    by_sender = {"sender_dependent_relayhost_maps": "table:relays"}
    assert "[h" in the(RULE, by_sender, {"tables/relays": "@x.example [h\n"})
    assert not told(RULE, by_sender, {"tables/relays": "@x.example [h]:587\n@y.example DUNNO\n"})
    assert "[h" in the(RULE, {"smtp_fallback_relay": "[a.example], [h"})
    assert "[h" in the(RULE, {"transport_maps": "inline:{ { x.example = smtp:[h } }"})
    assert not told(RULE, {"smtp_fallback_relay": "[a.example], b.example:25"})


@pytest.mark.parametrize("route", ["[mail.other.example]:25", "mail.other.example", "192.0.2.1:2525"])
def test_a_route_without_a_transport_is_refused_with_the_likely_one(route: str) -> None:
    text = the("unknown-transport", files={"tables/transport": f"slow.example  {route}\n"})
    assert text.endswith(f"did you mean smtp:{route}?")


def test_what_a_pattern_puts_in_is_not_known() -> None:
    table = {"tables/routes.pcre": "/^(\\w+)@x$/ $1:\n/^(.*)@y$/ smtp:[$1]:99999\n"}
    for rule in (RULE, "unknown-transport"):
        assert not told(rule, {"transport_maps": "table:routes"}, table)


# ---- servers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:8891", "inet:127.0.0.1", "inet:h:99999", "inet:8891@h", "unix:", "/run/x", "inet:h:nosuch"]
)
def test_a_server_whose_place_cannot_be_read_is_refused(endpoint: str) -> None:
    assert endpoint in the("malformed-endpoint", {"smtpd_milters": endpoint})
    assert (
        endpoint
        in the(
            "malformed-endpoint", {"smtpd_sender_restrictions": f"check_policy_service {{ {endpoint}, timeout=1s }}"}
        )
        or ":" not in endpoint
    )


def test_servers_whose_places_can_be_read_are_fine() -> None:
    fine = {
        "smtpd_milters": "inet:127.0.0.1:8891, unix:/run/x, { inet:h:8891, connect_timeout=10s } inet:[::1]:smtp",
        "non_smtpd_milters": "inet:8891, local:/run/y",
        "smtpd_sender_restrictions": "check_policy_service unix:private/p, check_policy_service inet:h:10023",
    }
    assert not told("malformed-endpoint", fine)
