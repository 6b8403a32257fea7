"""What own users' mail programs meet."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

LOGINS = {
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("smtpd_client_restrictions", "reject_rbl_client bl.example"),
        ("smtpd_client_restrictions", "reject_unknown_client_hostname"),
        ("smtpd_helo_restrictions", "reject_unknown_helo_hostname"),
        ("smtpd_recipient_restrictions", "reject_unauth_pipelining, reject_rbl_client bl.example"),
    ],
)
def test_checks_of_servers_that_meet_own_users_are_told_of(name: str, check: str) -> None:
    lists = LOGINS | {name: f"permit_mynetworks, {check}"}
    assert "permit_sasl_authenticated" in only_finding("refuses-own-users", lists)
    assert not findings_of("refuses-own-users", LOGINS | {name: f"permit_sasl_authenticated, {check}"})
    assert not findings_of("refuses-own-users", lists | {"smtpd_sasl_auth_enable": "no"})


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("smtpd_client_restrictions", "check_recipient_access inline:{{a@v.example=REJECT}}"),
        ("smtpd_client_restrictions", "reject_unknown_helo_hostname"),
        ("smtpd_helo_restrictions", "reject_unknown_sender_domain"),
        ("smtpd_client_restrictions", "permit_sasl_authenticated, reject_unknown_client_hostname"),
    ],
)
def test_checks_of_what_is_not_yet_said_are_told_of(name: str, check: str) -> None:
    assert "too early" in only_finding("asked-too-early", {name: check, "smtpd_delay_reject": "no"})
    assert not findings_of("asked-too-early", {name: check})


@pytest.mark.parametrize("port", ["465", "smtps", "192.0.2.10:submissions"])
def test_a_port_that_begins_with_tls_needs_its_option(port: str) -> None:
    line = f"{port} inet n - n - - smtpd\n  -o syslog_name=postfix/s\n"
    assert findings_of("unwrapped-port", {}, {"master.d/s.cf": line})
    assert not findings_of("unwrapped-port", {}, {"master.d/s.cf": f"{line}  -o smtpd_tls_wrappermode=yes\n"})
    assert not findings_of("unwrapped-port", {}, {"master.d/s.cf": line.replace(port, "5465")})
