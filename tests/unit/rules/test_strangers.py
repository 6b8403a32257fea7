"""What other people's mail servers meet, and what only own users or this host itself meet."""

from __future__ import annotations

import pytest

from reconciler.model import Interface
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import facts

CERTIFICATE = {"smtpd_tls_chain_files": "/etc/ssl/mx.pem"}
ENCRYPT = CERTIFICATE | {"smtpd_tls_security_level": "encrypt"}
CLOSED = {"smtpd_client_restrictions": "permit_mynetworks, reject"}
SENDERS = {"smtpd_sender_restrictions": "check_sender_access table:senders"}


@pytest.mark.parametrize(
    "parameters",
    [
        ENCRYPT,
        CERTIFICATE | {"smtpd_enforce_tls": "yes"},
        {"smtpd_sender_restrictions": "permit_mynetworks, reject_plaintext_session"},
    ],
)
def test_tls_that_every_server_must_use_is_told_of(parameters: dict[str, str]) -> None:
    (finding,) = findings_of("tls-required", parameters)
    assert not finding.is_error
    for inner in ({"inet_interfaces": "loopback-only"}, CLOSED):
        assert not findings_of("tls-required", parameters | inner)


def test_own_users_may_have_to_use_tls() -> None:
    submission = {"master.d/s.cf": "587 inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n"}
    assert not findings_of("tls-required", CERTIFICATE | {"smtpd_tls_security_level": "may"}, submission)
    assert not findings_of("tls-required", CERTIFICATE, submission={"enabled": True})
    own = {"smtp/inet": {"options": {"smtpd_tls_security_level": "may"}}}
    assert not findings_of("tls-required", ENCRYPT, services=own)
    after = {"smtpd_sender_restrictions": "permit, reject_plaintext_session"}
    assert not findings_of("tls-required", after)


def test_postscreen_that_requires_tls_is_told_of() -> None:
    screen = {"master.d/x.cf": "192.0.2.10:25 inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n"}
    assert findings_of("tls-required", CERTIFICATE | {"postscreen_tls_security_level": "encrypt"}, screen)
    assert not findings_of("tls-required", CERTIFICATE | {"postscreen_tls_security_level": "may"}, screen)


@pytest.mark.parametrize(
    ("kind", "rows", "refused"),
    [
        ("", "<> REJECT\n", True),
        ("", "<> 550 no bounces here\n", True),
        ("", "a@b.example REJECT\n", False),
        ("", "<> OK\n", False),
        ("", "<> reject_unverified_recipient\n", False),
        (".regexp", "/^[^@]*$/ REJECT\n", True),
        (".regexp", "!/@/ DISCARD\n", True),
        (".regexp", "/^<>$/ DUNNO\n/./ REJECT\n", False),
        (".pcre", "/@spam\\.example$/ REJECT\n", False),
    ],
)
def test_a_table_that_refuses_bounces_is_told_of_at_its_row(kind: str, rows: str, *, refused: bool) -> None:
    found = findings_of("null-sender", SENDERS, {f"tables/senders{kind}": rows})
    assert [str(finding.where) for finding in found] == [f"tables/senders{kind}:1:1"] * refused
    assert not findings_of("null-sender", SENDERS | CLOSED, {f"tables/senders{kind}": rows})


def test_a_table_inside_a_setting_may_refuse_bounces_too() -> None:
    inside = {"smtpd_recipient_restrictions": "check_sender_access inline:{{<>=REJECT}}, reject_unauth_destination"}
    assert only_finding("null-sender", inside).startswith("mail.yaml:")
    assert findings_of("null-sender", {"smtpd_sender_restrictions": "check_sender_access static:REJECT"})
    assert not findings_of("null-sender", {"smtpd_sender_restrictions": "permit, check_sender_access static:REJECT"})


@pytest.mark.parametrize(
    "parameters",
    [
        {"local_recipient_maps": ""},
        {"local_recipient_maps": "static:all"},
        {"local_recipient_maps": "regexp:{{/.+/ x}}"},
        {"smtpd_reject_unlisted_recipient": "no"},
        {"receive_override_options": "no_unknown_recipient_checks"},
        {"relay_domains": "r.example", "relay_recipient_maps": "static:OK"},
    ],
)
def test_everybody_accepted_and_then_bounced_is_told_of(parameters: dict[str, str]) -> None:
    (finding,) = findings_of("any-recipient", parameters)
    assert not finding.is_error
    asked = {"smtpd_recipient_restrictions": "reject_unauth_destination, reject_unverified_recipient"}
    for fine in (asked, CLOSED, {"inet_interfaces": "loopback-only"}):
        assert not findings_of("any-recipient", parameters | fine)


@pytest.mark.parametrize(
    "parameters",
    [
        {"local_recipient_maps": "", "luser_relay": "root@mx.test.example"},
        {"local_recipient_maps": "", "fallback_transport": "smtp:[192.0.2.77]"},
        {"local_recipient_maps": "", "mydestination": ""},
        {"local_recipient_maps": "", "local_transport": "error:no mail here"},
        {"local_recipient_maps": "regexp:{{/^(root|ada)@/ x}}"},
        {"smtpd_reject_unlisted_recipient": "no", "smtpd_data_restrictions": "reject_unlisted_recipient"},
    ],
)
def test_who_knows_his_recipients_or_delivers_to_anybody_is_left_alone(parameters: dict[str, str]) -> None:
    assert not findings_of("any-recipient", parameters)


def test_networks_that_follow_from_an_address_are_told_of() -> None:
    without = {"hosts/mx.test.example.yaml": "parameters: {mynetworks: null, mynetworks_style: %s}\n"}

    def found(style: str, address: str = "192.0.2.10/24", networks: str = "") -> list[object]:
        files = {path: text % style for path, text in without.items()}
        if networks:
            files = {path: text.replace("null", networks) for path, text in files.items()}
        return [*findings_of("networks-by-style", files=files, facts=facts(addresses=(Interface.of(address),)))]

    assert found("class")
    assert found("subnet", "8.8.8.8/24")
    assert not found("subnet", "8.8.8.8/32")
    assert not found("subnet", "10.0.0.5/8")
    assert not found("host", "8.8.8.8/24")
    assert not found("class", networks="127.0.0.0/8")
