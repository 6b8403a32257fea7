"""What is set up and does not do what it says: openings, missing partners, leftovers."""

from __future__ import annotations

import pytest

from tests.unit.states import VIRTUAL, told

LOGIN = {"smtpd_sasl_auth_enable": "yes"}
DANE = {"smtp_dns_support_level": "dnssec"}
CA = {"smtp_tls_CAfile": "/etc/ssl/certs/ca-certificates.crt"}


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
    findings = told(rule, maps | broken)
    assert len(findings) == 1
    assert not findings[0].is_error
    assert not told(rule, maps | healthy)


@pytest.mark.parametrize(
    ("broken", "healthy", "refused"),
    [
        (
            {"smtp_sasl_auth_enable": "yes"},
            {"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "ldap:/etc/people.cf"},
            True,
        ),
        ({"smtp_tls_security_level": "dane"}, {"smtp_tls_security_level": "dane"} | DANE, False),
        ({"smtp_tls_security_level": "dane-only"}, {"smtp_tls_security_level": "dane-only"} | DANE, True),
        ({"smtp_tls_security_level": "secure"}, {"smtp_tls_security_level": "secure"} | CA, True),
        (
            {"smtp_tls_security_level": "verify"},
            {"smtp_tls_security_level": "verify", "tls_append_default_CA": "yes"},
            True,
        ),
        (
            {"smtpd_tls_key_file": "/etc/ssl/k"},
            {"smtpd_tls_key_file": "/etc/ssl/k", "smtpd_tls_cert_file": "/etc/ssl/c"},
            False,
        ),
        ({"smtp_tls_eckey_file": "/etc/ssl/k"}, {"smtp_tls_eckey_file": "none"}, False),
    ],
)
def test_a_setting_has_what_it_needs(broken: dict[str, str], healthy: dict[str, str], *, refused: bool) -> None:
    (finding,) = told("missing-partner", broken)
    assert finding.is_error == refused
    assert not told("missing-partner", healthy)


def test_a_service_is_judged_with_its_own_options() -> None:
    line = "x unix - - n - - smtp\n  -o smtp_sasl_auth_enable=yes\n"
    (finding,) = told("missing-partner", files={"master.d/x.cf": line})
    assert (finding.where.file, finding.where.line) == ("master.d/x.cf", 2)


# ---- leftovers -------------------------------------------------------------------------------------------------------


def test_a_class_that_nothing_uses_is_told_of() -> None:
    classes = {"smtpd_restriction_classes": "greylist, strict", "greylist": "reject", "strict": "greylist"}
    (finding,) = told("unused-class", classes)
    assert (finding.is_error, '"strict"' in finding.text) == (False, True)
    assert not told("unused-class", classes | {"smtpd_sender_restrictions": "strict"})
    table = {"tables/senders": "a@b.example strict\n"}
    assert not told("unused-class", classes | {"smtpd_sender_restrictions": "check_sender_access table:senders"}, table)


def test_a_transport_that_nothing_uses_is_told_of() -> None:
    line = {"master.d/x.cf": "scan unix - - n - - smtp\n  -o smtp_helo_name=scan.example\n"}
    (finding,) = told("unused-transport", files=line)
    assert (finding.is_error, finding.where.file) == (False, "master.d/x.cf")
    for parameters, files in (
        ({"content_filter": "scan:[127.0.0.1]:10024"}, {}),
        ({"transport_maps": "ldap:/etc/people.cf"}, {}),
        ({}, {"tables/transport": "x.example scan:\n"}),
        ({"smtpd_sender_restrictions": "check_sender_access inline:{{a@b.example = FILTER scan:[::1]}}"}, {}),
    ):
        assert not told("unused-transport", parameters, {"tables/virtual": VIRTUAL} | line | files)


def test_stock_services_and_servers_are_not_asked_about() -> None:
    line = {"master.d/x.cf": "policy unix - n n - 0 spawn user=nobody argv=/bin/x\n10025 inet n - n - - smtpd\n"}
    assert not told("unused-transport", files=line)
    assert not told("unused-transport")
