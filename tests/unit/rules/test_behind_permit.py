"""Checks behind the permit of those whom they are about."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

LOGIN = {"smtpd_sasl_auth_enable": "yes", "smtpd_sender_login_maps": "table:logins"}
TABLES = {"tables/logins": "root@mx.test.example root\n", "tables/users": "eve REJECT\n"}


@pytest.mark.parametrize(
    "restrictions",
    [
        "permit_mynetworks, permit_sasl_authenticated, reject_sender_login_mismatch",
        "permit_sasl_authenticated, reject_authenticated_sender_login_mismatch",
        "permit_sasl_authenticated, reject_known_sender_login_mismatch, reject_unknown_sender_domain",
        "permit_sasl_authenticated, check_sasl_access table:users",
    ],
)
def test_a_check_of_logins_behind_their_permit_is_told_of(restrictions: str) -> None:
    checked = LOGIN | {"smtpd_sender_restrictions": restrictions}
    assert ": warning: smtpd_sender_restrictions: " in only_finding("behind-permit", checked, TABLES)
    assert not findings_of("behind-permit", checked | {"smtpd_sasl_auth_enable": "no"}, TABLES)


@pytest.mark.parametrize(
    "restrictions",
    [
        "reject_sender_login_mismatch, permit_sasl_authenticated",
        "permit_mynetworks, reject_authenticated_sender_login_mismatch, permit_sasl_authenticated, reject",
        "permit_sasl_authenticated, reject_unauthenticated_sender_login_mismatch",
        "permit_mynetworks, reject_sender_login_mismatch",
        "check_sasl_access table:users, permit_sasl_authenticated, check_client_access table:users",
    ],
)
def test_a_check_of_logins_before_their_permit_or_without_one_is_fine(restrictions: str) -> None:
    assert not findings_of("behind-permit", LOGIN | {"smtpd_sender_restrictions": restrictions}, TABLES)


def test_a_check_that_another_list_makes_in_time_is_fine() -> None:
    behind = {"smtpd_recipient_restrictions": "permit_sasl_authenticated, reject_sender_login_mismatch"}
    before = {"smtpd_sender_restrictions": "reject_sender_login_mismatch"}
    assert findings_of("behind-permit", LOGIN | behind, TABLES)
    assert not findings_of("behind-permit", LOGIN | behind | before, TABLES)


def test_logins_count_on_the_service_that_takes_them() -> None:
    lists = {"smtpd_sender_restrictions": "permit_sasl_authenticated, reject_sender_login_mismatch"}
    maps = {"smtpd_sender_login_maps": "table:logins"}
    line = {"master.d/s.cf": "587 inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"}
    assert only_finding("behind-permit", maps | lists, TABLES | line).startswith("mail.yaml:")
    own = line["master.d/s.cf"] + "  -o smtpd_sender_restrictions=reject_sender_login_mismatch\n"
    assert not findings_of("behind-permit", maps | lists, TABLES | {"master.d/s.cf": own})


def test_a_check_that_mail_for_own_domains_never_reaches_is_told_of() -> None:
    lists = {
        "smtpd_recipient_restrictions": "permit_mynetworks, permit_auth_destination, reject_rbl_client bl.test, reject"
    }
    assert "reject_rbl_client" in only_finding("behind-permit", lists)
    fine = {"smtpd_recipient_restrictions": "reject_rbl_client bl.test, permit_auth_destination, reject"}
    assert not findings_of("behind-permit", fine)
    assert not findings_of(
        "behind-permit", {"smtpd_relay_restrictions": "permit_auth_destination, reject_unauth_destination"}
    )
