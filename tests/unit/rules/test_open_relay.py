"""Open relays: by networks, by domains, and by tables that answer OK."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

RELAY = "smtpd_relay_restrictions"


@pytest.mark.parametrize(
    "networks",
    [
        "127.0.0.0/8 table:nets",
        "cidr:{{0.0.0.0/0 OK}}",
        "cidr:{{!10.0.0.0/8 OK}}",
        "regexp:{{/./ OK}}",
        "static:OK",
        "8.0.0.0/5",
    ],
)
def test_networks_that_hold_the_whole_world_are_refused(networks: str) -> None:
    (finding,) = findings_of("open-relay", {"mynetworks": networks}, {"tables/nets.cidr": "10.0.0.0/8 OK\n::/0 OK\n"})
    assert finding.is_error


@pytest.mark.parametrize(
    "networks", ["table:nets", "cidr:{{192.0.2.0/24 OK}}", "regexp:{{/^10[.]/ OK}}", "10.0.0.0/8 [fd00::]/8"]
)
def test_networks_of_ones_own_are_fine(networks: str) -> None:
    assert not findings_of(
        "open-relay", {"mynetworks": networks}, {"tables/nets.cidr": "10.0.0.0/8 OK\nfe80::/10 OK\n"}
    )


def test_a_network_inside_a_block_is_told_of() -> None:
    inside = {"tables/nets.cidr": "if 10.0.0.0/8\n0.0.0.0/0 OK\nendif\n"}
    (finding,) = findings_of("open-relay", {"mynetworks": "table:nets"}, inside)
    assert not finding.is_error


@pytest.mark.parametrize("domains", ["pcre:{{/./ OK}}", "static:x", "table:all"])
def test_domains_that_hold_every_domain_are_refused(domains: str) -> None:
    assert "relay_domains" in only_finding("open-relay", {"relay_domains": domains}, {"tables/all.regexp": "/.*/ OK\n"})


def test_domains_of_ones_own_are_fine() -> None:
    assert not findings_of("open-relay", {"relay_domains": "r.example pcre:{{/[.]example$$/ OK}}"})


@pytest.mark.parametrize(
    "value",
    [
        "check_client_access static:OK, reject_unauth_destination",
        "permit_mynetworks, check_sender_access static:permit, reject",
        "check_client_access cidr:{{0.0.0.0/0 OK}}, reject_unauth_destination",
        "check_recipient_access regexp:{{/@/ 250}}, defer_unauth_destination",
        "check_client_access cidr:{{0.0.0.0/0 DUNNO}, {::/0 OK}}, reject_unauth_destination",
    ],
)
def test_a_table_that_permits_everybody_ahead_of_the_protection_is_refused(value: str) -> None:
    (finding,) = findings_of("open-relay", {RELAY: value})
    assert finding.is_error
    assert "before the relay protection" in finding.text


def test_a_sender_that_may_be_forged_is_told_of() -> None:
    senders = {RELAY: "permit_mynetworks, check_sender_access table:s, reject_unauth_destination"}
    (finding,) = findings_of("open-relay", senders, {"tables/s": "spam.example REJECT\nfriend.example OK\n"})
    assert not finding.is_error
    assert "friend.example" in finding.text
    assert not findings_of("open-relay", senders, {"tables/s": "spam.example REJECT\nfriend.example DUNNO\n"})


@pytest.mark.parametrize(
    "lists",
    [
        {RELAY: "permit_mynetworks, check_client_access static:DUNNO, reject_unauth_destination"},
        {RELAY: "permit_mynetworks, reject_unauth_destination, check_client_access static:OK"},
        {RELAY: "check_client_access cidr:{{192.0.2.0/24 OK}}, reject_unauth_destination"},
        {RELAY: "check_recipient_access inline:{postmaster@=OK}, reject_unauth_destination"},
        {
            RELAY: "check_client_access static:OK, reject_unauth_destination",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination",
        },
    ],
)
def test_tables_that_permit_some_or_stand_behind_the_protection_are_fine(lists: dict[str, str]) -> None:
    assert not findings_of("open-relay", lists)


def test_a_relay_that_only_this_host_reaches_is_told_of() -> None:
    service = {"master.d/in.cf": "127.0.0.1:10025 inet n - n - - smtpd\n  -o mynetworks=0.0.0.0/0\n"}
    (finding,) = findings_of("open-relay", files=service)
    assert not finding.is_error


@pytest.mark.parametrize(
    ("hosts", "many"), [("0.0.0.0/0", 1), ("static:all", 1), ("127.0.0.0/8 [::1]", 0), ("!static:x", 0)]
)
def test_who_may_say_that_he_is_somebody_else_may_relay(hosts: str, many: int) -> None:
    found = findings_of("open-relay", {"smtpd_authorized_xclient_hosts": hosts})
    assert len(found) == many


@pytest.mark.parametrize("networks", ["0.0.0.0/0", "[::]/0", "0.0.0.0/1 128.0.0.0/1", "127.0.0.0/8, static:all"])
def test_relaying_for_the_whole_internet_is_refused(networks: str) -> None:
    assert all(finding.is_error for finding in findings_of("open-relay", {"mynetworks": networks}))
    assert findings_of("open-relay", {"mynetworks": networks})


def test_relaying_to_every_domain_is_refused() -> None:
    assert "relay_domains" in only_finding("open-relay", {"relay_domains": "static:all"})


def test_wide_networks_are_fine_where_they_may_not_relay() -> None:
    closed = {"mynetworks": "0.0.0.0/0", "smtpd_relay_restrictions": "reject_unauth_destination"}
    assert not findings_of("open-relay", closed)
    assert not findings_of("open-relay", {"mynetworks": "10.0.0.0/8 [fe80::]/10"})
