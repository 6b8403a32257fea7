"""A setting has what it needs to work."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of

DANE = {"smtp_dns_support_level": "dnssec"}
CA = {"smtp_tls_CAfile": "/etc/ssl/certs/ca-certificates.crt"}


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
    (finding,) = findings_of("missing-partner", broken)
    assert finding.is_error == refused
    assert not findings_of("missing-partner", healthy)


def test_a_service_is_judged_with_its_own_options() -> None:
    line = "x unix - - n - - smtp\n  -o smtp_sasl_auth_enable=yes\n"
    (finding,) = findings_of("missing-partner", files={"master.d/x.cf": line})
    assert (finding.where.file, finding.where.line) == ("master.d/x.cf", 2)


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
    found = [one for one in findings_of("missing-partner", parameters, rows) if one.is_error]
    assert len(found) == (1 if many else 0)
    assert all(one.where.line == 2 for one in found if one.where.file == "tables/tls_policy")


def test_a_session_that_begins_with_tls_must_want_it() -> None:
    for level, refused in (("may", True), ("none", True), ("encrypt", False), ("dane-only", False)):
        settings = {"smtp_tls_wrappermode": "yes", "smtp_tls_security_level": level, "smtp_dns_support_level": "dnssec"}
        assert any(one.is_error for one in findings_of("missing-partner", settings)) == refused


@pytest.mark.parametrize(
    ("domains", "routes", "severities"),
    [
        ("b.example", "b.example lmtp:[192.0.2.20]\n", []),
        ("table:boxes", "b.example error:\nlist@b.example relaylim:\n", []),
        ("b.example", "list@b.example relaylim:\n", ["error"]),
        ("b.example c.example", "b.example lmtp:[192.0.2.20]\n", ["error"]),
        ("b.example", "b.example :\n", ["error"]),
        ("hash:/var/lib/lists/domains", "b.example lmtp:[192.0.2.20]\n", ["warning"]),
    ],
)
def test_owners_are_only_needed_where_mail_reaches_virtual(domains: str, routes: str, severities: list[str]) -> None:
    parameters = BOXES | {"virtual_mailbox_domains": domains, "virtual_uid_maps": "", "virtual_gid_maps": ""}
    files = {"tables/boxes": "b.example x\nada@b.example x\n", "tables/transport": routes}
    assert [one.severity.value for one in findings_of("missing-partner", parameters, files)] == severities


def test_a_pattern_routes_a_whole_domain() -> None:
    parameters = BOXES | {"virtual_uid_maps": "", "transport_maps": "table:routes"}
    for pattern, many in (("/@b\\.example$/", 0), ("/^ada@b\\.example$/", 1)):
        files = {"tables/routes.regexp": f"{pattern} lmtp:[192.0.2.20]\n"}
        assert len(findings_of("missing-partner", parameters, files)) == many
