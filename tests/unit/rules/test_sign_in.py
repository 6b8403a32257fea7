"""Logins that are not offered, or help nobody."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

LOGINS = {
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
}
CHECKED = LOGINS | {"smtpd_sender_restrictions": "reject_authenticated_sender_login_mismatch"}
RELAY = {"relayhost": "[mail.relay.example]:587", "smtp_sasl_auth_enable": "yes", "smtp_tls_security_level": "encrypt"}


def on(*options: str) -> dict[str, str]:
    """A listener for own users with these options."""
    return {"master.d/s.cf": "192.0.2.10:5587 inet n - n - - smtpd\n" + "".join(f"  -o {one}\n" for one in options)}


def test_a_list_of_logins_alone_needs_logins() -> None:
    only = "smtpd_client_restrictions=permit_sasl_authenticated,reject"
    (finding,) = findings_of("login-in-vain", {}, on(only))
    assert finding.is_error
    assert not findings_of("login-in-vain", {}, on("smtpd_sasl_auth_enable=yes", only))
    for others in (
        "permit_mynetworks,permit_sasl_authenticated,reject",
        "permit_sasl_authenticated,permit_tls_clientcerts,reject",
    ):
        assert not findings_of("login-in-vain", {}, on(f"smtpd_client_restrictions={others}"))


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        (LOGINS | {"smtpd_tls_auth_only": "yes", "smtpd_tls_security_level": "none"}, "smtpd_tls_auth_only"),
        (LOGINS | {"smtpd_sasl_exceptions_networks": "0.0.0.0/0"}, "offered to nobody"),
        (LOGINS | {"smtpd_discard_ehlo_keywords": "auth, silent-discard"}, "hides AUTH"),
        ({"smtpd_discard_ehlo_keywords": "starttls", "smtpd_tls_security_level": "encrypt"}, "hides STARTTLS"),
        (LOGINS | {"smtpd_sasl_security_options": "noanonymous, noplaintext"}, "noplaintext"),
        (CHECKED, "553"),
        (RELAY, "noplaintext, by default"),
        (RELAY | {"smtp_sasl_security_options": "noplaintext"}, "noplaintext:"),
    ],
)
def test_a_login_in_vain_is_told_of(parameters: dict[str, str], word: str) -> None:
    assert word in only_finding("login-in-vain", parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        LOGINS | {"smtpd_tls_auth_only": "yes", "smtpd_tls_security_level": "may"},
        LOGINS | {"smtpd_sasl_exceptions_networks": "$mynetworks"},
        {"smtpd_discard_ehlo_keywords": "auth, starttls, chunking", "smtpd_tls_security_level": "none"},
        LOGINS
        | {
            "smtpd_tls_security_level": "may",
            "smtpd_sasl_security_options": "noplaintext, noanonymous",
            "smtpd_sasl_tls_security_options": "noanonymous",
        },
        CHECKED | {"smtpd_sender_login_maps": "inline:{{ada@v.example=ada}}"},
        LOGINS | {"smtpd_sender_restrictions": "reject_known_sender_login_mismatch"},
        LOGINS | {"smtpd_sender_restrictions": "permit_sasl_authenticated, reject_sender_login_mismatch"},
        RELAY | {"smtp_sasl_tls_security_options": "noanonymous"},
        RELAY | {"smtp_sasl_mechanism_filter": "cram-md5, scram-sha-256"},
    ],
)
def test_a_login_that_helps_is_not(parameters: dict[str, str]) -> None:
    assert not findings_of("login-in-vain", parameters)


def test_a_table_that_gives_strangers_owners_is_told_of() -> None:
    owners = {"smtpd_sender_login_maps": "static:ada", "smtpd_sender_restrictions": "reject_sender_login_mismatch"}
    assert "not logged in" in only_finding("owned-by-all", owners)
    fine = "reject_authenticated_sender_login_mismatch"
    assert not findings_of("owned-by-all", owners | {"smtpd_sender_restrictions": fine})
