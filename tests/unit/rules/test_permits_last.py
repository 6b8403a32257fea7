"""Permits at the end of a list."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

PARTNERS = {"tables/partners": "partner.example OK\n"}
NETWORKS = {"mynetworks": "127.0.0.0/8, 192.0.2.0/24"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"smtpd_client_restrictions": "reject_rbl_client bl.example, check_client_access table:partners"},
        {"smtpd_client_restrictions": "reject_rbl_client bl.example, permit_dnswl_client wl.example, permit"},
        NETWORKS | {"smtpd_relay_restrictions": "reject_unauth_destination, permit_mynetworks"},
        {
            "smtpd_client_restrictions": "reject_unknown_client_hostname, permit_sasl_authenticated",
            "smtpd_sasl_auth_enable": "yes",
        },
    ],
)
def test_a_permit_that_comes_last_is_told_of_once(parameters: dict[str, str]) -> None:
    assert "move it before" in only_finding("permit-in-vain", parameters, PARTNERS)


@pytest.mark.parametrize(
    "parameters",
    [
        {"smtpd_client_restrictions": "check_client_access table:partners, reject_rbl_client bl.example"},
        {"smtpd_client_restrictions": "reject_rbl_client bl.example, check_client_access table:partners, reject"},
        {"smtpd_client_restrictions": "permit_mynetworks, permit_dnswl_client wl.example"},
        {"smtpd_client_restrictions": "reject_unknown_client_hostname, permit_sasl_authenticated"},
        {"smtpd_relay_restrictions": "reject_unauth_destination, permit_mynetworks"},
        NETWORKS | {"smtpd_client_restrictions": "reject_rbl_client bl.example, permit_mynetworks"},
        {"smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination, permit_dnswl_client wl.example"},
    ],
)
def test_a_permit_that_exempts_or_harms_nobody_is_not(parameters: dict[str, str]) -> None:
    assert not findings_of("permit-in-vain", parameters, PARTNERS)


def test_who_may_relay_is_never_said_to_come_before_the_protection() -> None:
    lists = {"smtpd_recipient_restrictions": "reject_unauth_destination, check_client_access table:partners"}
    assert not findings_of("permit-in-vain", lists, PARTNERS)
