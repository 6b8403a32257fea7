"""Listeners that take logins and relay for nobody, and those that do."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

SASL = {"smtpd_sasl_path": "smtpd", "cyrus_sasl_config_path": "/etc/postfix/sasl"}
RELAY, RECIPIENT = "smtpd_relay_restrictions", "smtpd_recipient_restrictions"
LISTENER = "192.0.2.10:5587 inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
MEANT = f"{LISTENER}  -o {RECIPIENT}=permit_sasl_authenticated,reject\n"


def found(parameters: dict[str, str], listener: str = "") -> list[str]:
    listeners = {"master.d/sub.cf": listener} if listener else {}
    return [str(one) for one in findings_of("login-without-relay", SASL | parameters, listeners)]


def test_a_list_of_main_cf_that_refuses_every_login_is_refused_at_the_listener() -> None:
    text = only_finding("login-without-relay", SASL, {"master.d/sub.cf": MEANT})
    assert text.startswith("master.d/sub.cf:3:")
    assert 'the listener "192.0.2.10:5587" takes logins' in text
    assert f"but {RELAY} holds there too, and its reject_unauth_destination comes without" in text


def test_two_lists_of_main_cf_that_differ_are_refused_once() -> None:
    (text,) = found({"smtpd_sasl_auth_enable": "yes", RECIPIENT: "permit_sasl_authenticated, reject"}, LISTENER)
    assert text.startswith("mail.yaml:7:31: the listener")


def test_every_list_may_refuse() -> None:
    fine = {"smtpd_sasl_auth_enable": "yes", RELAY: "permit_sasl_authenticated, reject_unauth_destination"}
    assert not found(fine)
    assert found(fine | {"smtpd_client_restrictions": "reject"})
    assert found(fine | {"smtpd_sender_restrictions": "reject_unauth_destination"})
    assert not found(fine | {"smtpd_client_restrictions": "permit_sasl_authenticated, reject"})


@pytest.mark.parametrize(
    "relay",
    [
        "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
        "check_sasl_access inline:{a=OK}, reject_unauth_destination",
        "check_policy_service inet:127.0.0.1:1, reject_unauth_destination",
        "permit_tls_clientcerts, reject_unauth_destination",
        "own, reject_unauth_destination",
        "warn_if_reject reject_unauth_destination, permit_sasl_authenticated, reject",
        "",
    ],
)
def test_a_list_that_may_let_logins_by_is_fine(relay: str) -> None:
    classes = {"smtpd_restriction_classes": "own", "own": "permit_sasl_authenticated"}
    assert not found({RELAY: relay} | classes, MEANT)


def test_logins_of_ones_own_network_alone_are_told_of() -> None:
    (finding,) = findings_of(
        "login-without-relay", SASL | {"mynetworks": "127.0.0.0/8, 10.0.0.0/8"}, {"master.d/sub.cf": MEANT}
    )
    assert not finding.is_error
    own = {"mynetworks": "127.0.0.0/8, 10.0.0.0/8", "smtpd_client_restrictions": "permit_mynetworks, reject"}
    assert not found(own | {RELAY: "permit_sasl_authenticated, reject"}, MEANT)


def test_logins_that_no_list_names_are_told_of() -> None:
    (finding,) = findings_of("login-without-relay", SASL, {"master.d/sub.cf": LISTENER})
    assert not finding.is_error


def test_a_listener_without_logins_needs_no_permit() -> None:
    assert not found({}, MEANT.replace("auth_enable=yes", "auth_enable=no"))


@pytest.mark.parametrize(
    ("listener", "many"),
    [
        ("127.0.0.1:10025 inet n - n - - smtpd\n  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n", 0),
        ("[::1]:10025 inet n - n - - smtpd\n  -o smtpd_client_restrictions=permit_mynetworks,reject\n", 0),
        (
            (
                "localhost:10025 inet n - n - - smtpd\n  -o smtpd_client_restrictions=permit_mynetworks,reject\n"
                "  -o local_header_rewrite_clients=permit_mynetworks,permit_sasl_authenticated\n"
            ),
            0,
        ),
        (
            (
                "192.0.2.10:10025 inet n - n - - smtpd\n  -o mynetworks=192.0.2.20/32\n"
                "  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n"
            ),
            0,
        ),
        ("589 inet n - n - - smtpd\n  -o smtpd_client_restrictions=permit_mynetworks,reject\n", 0),
        ("587 inet n - n - - smtpd\n  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n", 1),
        ("2587 inet n - n - - smtpd\n  -o smtpd_recipient_restrictions=reject_unauth_destination\n", 1),
        (
            (
                "127.0.0.1:587 inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
                "  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n"
            ),
            1,
        ),
    ],
)
def test_a_listener_for_filters_takes_no_logins_of_people(listener: str, many: int) -> None:
    everywhere = {"smtpd_sasl_auth_enable": "yes", RELAY: "permit_sasl_authenticated, reject_unauth_destination"}
    assert len(found(everywhere, listener)) == many
