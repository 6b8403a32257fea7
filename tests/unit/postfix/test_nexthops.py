"""Next hops as smtp(8) reads them."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

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
    text = only_finding(RULE, {"relayhost": relayhost})
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
    assert not findings_of(RULE, {"relayhost": relayhost})


def test_a_relayhost_of_another_program_is_its_own_affair() -> None:
    uucp = {"master.d/uucp.cf": "uucp unix - n n - - pipe user=vmail argv=/usr/bin/uux $nexthop\n"}
    assert not findings_of(RULE, {"relayhost": "host!next", "default_transport": "uucp"}, uucp)


def test_relays_by_sender_and_fallback_relays_are_next_hops_too() -> None:
    by_sender = {"sender_dependent_relayhost_maps": "table:relays"}
    assert "[h" in only_finding(RULE, by_sender, {"tables/relays": "@x.example [h\n"})
    assert not findings_of(RULE, by_sender, {"tables/relays": "@x.example [h]:587\n@y.example DUNNO\n"})
    assert "[h" in only_finding(RULE, {"smtp_fallback_relay": "[a.example], [h"})
    assert "[h" in only_finding(RULE, {"transport_maps": "inline:{ { x.example = smtp:[h } }"})
    assert not findings_of(RULE, {"smtp_fallback_relay": "[a.example], b.example:25"})
