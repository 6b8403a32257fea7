"""Lists that refuse all other servers."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize("name", ["client", "sender", "relay", "recipient"])
def test_a_list_for_own_clients_alone_is_told_of(name: str) -> None:
    lists = {f"smtpd_{name}_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject"}
    assert "v.example" in only_finding("strangers-refused", lists)


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        (
            {"smtpd_client_restrictions": "permit_mynetworks, check_client_access table:t, reject"},
            {"tables/t": "a OK\n"},
        ),
        ({"smtpd_recipient_restrictions": "permit_mynetworks, permit_auth_destination, reject"}, {}),
        ({"smtpd_client_restrictions": "permit_mynetworks, warn_if_reject reject"}, {}),
        ({"smtpd_client_restrictions": "permit_mynetworks, reject", "virtual_alias_domains": ""}, {}),
        ({"smtpd_client_restrictions": "permit_mynetworks, reject", "inet_interfaces": "loopback-only"}, {}),
        (
            {"smtpd_client_restrictions": "permit_mynetworks, reject"},
            {"master.d/s.cf": "192.0.2.10:25 inet n - n - - smtpd\n  -o smtpd_client_restrictions=\n"},
        ),
    ],
)
def test_a_host_that_other_servers_reach_is_fine(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert not findings_of("strangers-refused", parameters, files)
