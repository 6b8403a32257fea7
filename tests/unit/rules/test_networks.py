"""Networks can be parsed by Postfix."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize("network", ["192.168.1.300", "192.168.1.1-192.168.1.5", "127.0.0.0/8;"])
def test_what_is_no_address_is_refused(network: str) -> None:
    assert "match no client" in only_finding("bad-network", {"mynetworks": network})


def test_a_network_has_a_prefix_length() -> None:
    text = only_finding("bad-network", {"mynetworks": "192.168.1.0/255.255.255.0"})
    assert text.endswith("did you mean 192.168.1.0/24?")
    assert not findings_of("bad-network", {"mynetworks": "192.168.1.0/24 192.168.1.1 [::1] host-1.example !10.0.0.1"})


def test_a_network_that_a_cidr_table_cannot_hold_is_refused() -> None:
    broken = "10.0.0.1/8 OK\nhost.example OK\n"
    assert len(findings_of("bad-network", files={"tables/nets.cidr": broken})) == 2
    assert not findings_of(
        "bad-network", files={"tables/nets.cidr": "10.0.0.0/8 OK\n2001:db8::/32 OK\n::1 OK\n1.2.3.4 OK\n"}
    )


def test_blocks_in_a_table_of_networks_are_fine() -> None:
    blocks = "if 10.0.0.0/8\n10.1.0.0/16 OK\nENDIF\nif !192.0.2.0/24\n! 192.0.2.1 REJECT\nendif\n"
    for rule in ("malformed-entry", "bad-network"):
        assert not findings_of(rule, files={"tables/nets.cidr": blocks})


@pytest.mark.parametrize(
    ("network", "meant"),
    [("127.0.0.1/8", "127.0.0.0/8?"), ("192.168.1.1/24", "192.168.1.0/24?"), ("!10.1.1.1/8", "10.0.0.0/8?"),
     ("[fe80::1]/64", "[fe80::]/64?"), ("::1/128", "[::1]/128?"), ("10.0.0.0/33", ""), ("10.0.0/8", "")],
)  # fmt: skip
def test_a_network_that_postfix_cannot_parse_is_refused(network: str, meant: str) -> None:
    for name in ("mynetworks", "smtpd_authorized_xclient_hosts"):
        text = only_finding("bad-network", {name: f"127.0.0.0/8, {network}"})
        assert network in text
        assert text.endswith(meant)


def test_networks_names_files_and_tables_are_fine() -> None:
    fine = (
        "127.0.0.0/8 [::1]/128 10.0.0.0/8, 192.0.2.1 !192.0.2.2 .example.com /etc/nets cidr:{10.0.0.0/8} [2001:db8::1]"
    )
    assert not findings_of("bad-network", {"mynetworks": fine})
