"""A TLS policy under another spelling of its next hop is not found, and a fingerprint has the length of its digest."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import VIRTUAL, findings_of

RELAY = {"relayhost": "[mail.relay.example]:587"}
SHA256, SHA1, MD5 = (":".join(["5E"] * length) for length in (32, 20, 16))


def of_policy(rule: str, rows: str, parameters: dict[str, str], **tables: str) -> list[tuple[bool, str]]:
    """Whether each finding refuses, and its text, without the place."""
    files = {"tables/virtual": VIRTUAL, "tables/tls_policy": f"{rows}\n"}
    files |= {f"tables/{name}": f"{text}\n" for name, text in tables.items()}
    return [(finding.is_error, finding.text) for finding in findings_of(rule, parameters, files)]


@pytest.mark.parametrize(
    ("key", "parameters", "tables", "refused"),
    [
        ("mail.relay.example", RELAY, {}, True),
        ("[mail.relay.example]", RELAY, {}, True),
        ("mail.relay.example:587", RELAY, {}, True),
        ("[Mail.Relay.Example]:25", RELAY, {}, True),
        ("[mail.relay.example]:587", {"relayhost": "mail.relay.example"}, {}, True),
        ("[mail.relay.example]", {}, {"transport": "far.example smtp:[mail.relay.example]:587"}, True),
        ("mail.relay.example", {}, {"transport": "far.example smtp:[mail.relay.example]:587"}, False),
        ("mail.relay.example", {"default_transport": "smtp:[mail.relay.example]"}, {}, True),
        ("[mail.relay.example]", {"smtp_fallback_relay": "[mail.relay.example]:26"}, {}, True),
        ("[mail.relay.example]", RELAY | {"transport_maps": "ldap:/etc/x.cf"}, {}, False),
        ("[b.example]", {"relayhost": "[a.example]:587, [b.example]:587"}, {}, True),
    ],
)
def test_a_key_in_another_spelling_is_reported(
    key: str, parameters: dict[str, str], tables: dict[str, str], *, refused: bool
) -> None:
    ((is_error, text),) = of_policy("policy-not-found", f"{key} encrypt", parameters, **tables)
    assert is_error == refused
    assert f'key "{key}" is not the next hop' in text


@pytest.mark.parametrize(
    ("rows", "parameters", "tables"),
    [
        ("[mail.relay.example]:587 encrypt", RELAY, {}),
        ("[MAIL.relay.example]:587 encrypt", RELAY, {}),
        ("[mail.relay.example]:587 encrypt\nmail.relay.example encrypt", RELAY, {}),
        ("mail.relay.example encrypt", {"relayhost": "mail.relay.example"}, {}),
        (".relay.example encrypt\n[mail.relay.example]:587 encrypt", {"relayhost": "mail.relay.example"}, {}),
        ("far.example encrypt\n.near.example may", {}, {}),
        ("far.example encrypt", RELAY, {"transport": "far.example smtp:"}),
        ("[a.example]:26 encrypt", RELAY, {"senders": "x@y.example FILTER smtp:[a.example]:26"}),
    ],
)
def test_a_key_as_the_route_writes_it_is_found(rows: str, parameters: dict[str, str], tables: dict[str, str]) -> None:
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"} if "senders" in tables else {}
    assert not of_policy("policy-not-found", rows, parameters | senders, **tables)


@pytest.mark.parametrize(
    ("parameters", "fine", "wrong"),
    [
        ({}, SHA256, MD5),
        ({"smtp_tls_fingerprint_digest": "sha1"}, SHA1, SHA256),
        ({"smtp_tls_fingerprint_digest": "md5"}, MD5, SHA1),
        ({"compatibility_level": "2"}, MD5, SHA256),
    ],
)
def test_a_fingerprint_has_the_length_of_the_digest_in_force(parameters: dict[str, str], fine: str, wrong: str) -> None:
    assert not of_policy("wrong-fingerprint", f"far.example fingerprint match={fine}|{fine}", parameters)
    assert not of_policy("wrong-fingerprint", f"far.example secure match={wrong}", parameters)
    ((is_error, text),) = of_policy("wrong-fingerprint", f"far.example fingerprint match={fine}|{wrong}", parameters)
    assert is_error
    assert "mail to that destination would wait; did you mean" in text


def test_a_client_with_a_fingerprint_of_another_digest_is_only_a_warning() -> None:
    known = {"relay_clientcerts": "table:clients"}
    ((is_error, text),) = of_policy("wrong-fingerprint", "far.example may", known, clients=f"{MD5} ada")
    assert (is_error, "the key never matches" in text) == (False, True)
    assert not of_policy("wrong-fingerprint", "far.example may", known, clients=f"{SHA256} ada\nAA:BB")
