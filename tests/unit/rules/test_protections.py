"""Settings that let mail pass are reported and refuse nothing."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of

LOGIN = {"smtpd_sasl_auth_enable": "yes"}


@pytest.mark.parametrize(
    ("rule", "broken", "healthy"),
    [
        ("unused-login-maps", {}, {"smtpd_sender_restrictions": "reject_sender_login_mismatch"}),
        ("unused-login-maps", {}, {"smtpd_sender_restrictions": "reject_known_sender_login_mismatch"}),
        ("unused-login-maps", {}, {"smtpd_sender_login_maps": ""}),
        ("left-on", {"soft_bounce": "yes"}, {"soft_bounce": "no"}),
        ("left-on", {"debug_peer_list": "192.0.2.1"}, {"debug_peer_list": ""}),
        ("login-without-tls", LOGIN, LOGIN | {"smtpd_tls_auth_only": "yes"}),
        ("login-without-tls", LOGIN, LOGIN | {"smtpd_tls_security_level": "encrypt"}),
        ("login-without-tls", LOGIN, LOGIN | {"smtpd_sasl_security_options": "noplaintext, noanonymous"}),
        ("login-without-tls", LOGIN, {"smtpd_sasl_auth_enable": "no"}),
        ("anonymous-login", LOGIN | {"smtpd_sasl_security_options": "noplaintext"}, LOGIN),
        ("any-recipient", {"relay_domains": "r.example"}, {"relay_domains": ""}),
        (
            "any-recipient",
            {"relay_domains": "r.example"},
            {"relay_domains": "r.example", "relay_recipient_maps": "inline:{a@r.example=x}"},
        ),
        (
            "any-recipient",
            {"relay_domains": "r.example"},
            {"relay_domains": "r.example", "smtpd_recipient_restrictions": "reject_unverified_recipient"},
        ),
    ],
)
def test_what_lets_pass_is_told_of_and_refuses_nothing(
    rule: str, broken: dict[str, str], healthy: dict[str, str]
) -> None:
    maps = {"smtpd_sender_login_maps": "inline:{a@v.example=a}"} if rule == "unused-login-maps" else {}
    findings = findings_of(rule, maps | broken)
    assert len(findings) == 1
    assert not findings[0].is_error
    assert not findings_of(rule, maps | healthy)
