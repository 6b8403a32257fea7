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


BOXES = {
    "virtual_mailbox_domains": "b.example", "virtual_mailbox_maps": "static:x", "virtual_mailbox_base": "/m",
    "virtual_uid_maps": "static:5000", "virtual_gid_maps": "static:5000",
}  # fmt: skip
TRUST = {"smtp_tls_CAfile": "/etc/ssl/certs/ca-certificates.crt"}


@pytest.mark.parametrize(
    ("parameters", "row", "many"),
    [
        ({}, "a.example secure", 1),
        ({}, "a.example verify match=mx.a.example", 1),
        ({}, "a.example secure tafile=/etc/ssl/a.pem", 0),
        (TRUST, "a.example secure", 0),
        ({"tls_append_default_CA": "yes"}, "a.example secure", 0),
        ({}, "a.example fingerprint", 1),
        ({}, "a.example fingerprint match=3D:95", 0),
        ({"smtp_tls_fingerprint_cert_match": "3D:95"}, "a.example fingerprint", 0),
        ({}, "a.example encrypt ciphers=high", 0),
        ({"smtp_tls_wrappermode": "yes"}, "[relay.example]:465 encrypt", 0),
        (BOXES, "a.example may", 0),
        (BOXES | {"virtual_uid_maps": ""}, "a.example may", 1),
        (BOXES | {"virtual_uid_maps": "static:5"}, "a.example may", 1),
        (BOXES | {"virtual_uid_maps": "", "virtual_transport": "lmtp:unix:x"}, "a.example may", 0),
    ],
)
def test_what_mail_would_wait_for_is_refused(parameters: dict[str, str], row: str, many: int) -> None:
    rows = {"tables/tls_policy": f"# ours\n{row}\n"}
    found = [one for one in told("missing-partner", parameters, rows) if one.is_error]
    assert len(found) == (1 if many else 0)
    assert all(one.where.line == 2 for one in found if one.where.file == "tables/tls_policy")


def test_a_session_that_begins_with_tls_must_want_it() -> None:
    for level, refused in (("may", True), ("none", True), ("encrypt", False), ("dane-only", False)):
        settings = {"smtp_tls_wrappermode": "yes", "smtp_tls_security_level": level, "smtp_dns_support_level": "dnssec"}
        assert any(one.is_error for one in told("missing-partner", settings)) == refused


@pytest.mark.parametrize(
    ("row", "many"),
    [
        ("encrypt ciphers=hgih", 1), ("encrypt protocols=TLSv9", 1), ("encrypt protocols=>=TLSv1.2", 0),
        ("encrypt protocols=!SSLv2:!SSLv3 ciphers=medium", 0),
    ],
)  # fmt: skip
def test_a_policy_that_smtp_cannot_read_is_refused(row: str, many: int) -> None:
    assert len(told("unknown-policy", files={"tables/tls_policy": f"a.example {row}\n"})) == many


@pytest.mark.parametrize(
    ("parameters", "many"),
    [
        ({"smtp_bind_address": "127.0.0.1"}, 1),
        ({"smtp_bind_address": "127.0.0.1", "relayhost": "[127.0.0.1]:2525"}, 0),
        ({"smtp_bind_address": "192.0.2.10"}, 0),
    ],
)
def test_mail_cannot_leave_from_loopback(parameters: dict[str, str], many: int) -> None:
    assert len(told("foreign-address", parameters)) == many
