"""Types of tables that can't match what is looked up in them."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize("use", ["header_checks", "mime_header_checks", "body_checks", "smtp_header_checks"])
def test_lines_need_patterns(use: str) -> None:
    assert "regexp" in only_finding("table-never-matches", {use: "table:hc"}, {"tables/hc": "/^X:/ REJECT\n"})
    assert not findings_of("table-never-matches", {use: "table:hc"}, {"tables/hc.pcre": "/^X:/ REJECT\n"})


@pytest.mark.parametrize(
    "parameters",
    [
        {"smtpd_sender_restrictions": "check_sender_access table:nets"},
        {"smtpd_recipient_restrictions": "reject_unauth_destination, check_recipient_access table:nets"},
        {"smtpd_restriction_classes": "own", "own": "check_sender_access table:nets"},
        {"recipient_bcc_maps": "table:nets"},
    ],
)
def test_addresses_of_mail_are_in_no_network(parameters: dict[str, str]) -> None:
    assert "cidr" in only_finding("table-never-matches", parameters, {"tables/nets.cidr": "192.0.2.0/24 REJECT\n"})


@pytest.mark.parametrize("use", ["check_client_access", "check_sender_mx_access", "check_helo_a_access"])
def test_addresses_of_hosts_are(use: str) -> None:
    lists = {"smtpd_sender_restrictions": f"{use} table:nets"}
    assert not findings_of("table-never-matches", lists, {"tables/nets.cidr": "192.0.2.0/24 REJECT\n"})
