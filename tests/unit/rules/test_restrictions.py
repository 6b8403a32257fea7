"""smtpd's restriction lists, and the protection against relaying."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import facts

SENDERS = "smtpd_sender_restrictions"
RELAY, RECIPIENT = "smtpd_relay_restrictions", "smtpd_recipient_restrictions"


def test_a_misspelt_restriction_is_refused_with_the_likely_name() -> None:
    text = only_finding("unknown-restriction", {SENDERS: "permit_mynetworks reject_unknown_sender_domian"})
    assert '"reject_unknown_sender_domian"' in text
    assert text.endswith("did you mean reject_unknown_sender_domain?")


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("reject_unknown_forward_client_hostname", "3.7.11", "Postfix 3.7.11 does not know it"),
        ("reject_maps_rbl", "3.9.1", "Postfix 3.9 removed it"),
        ("permit_naked_ip_address", "3.10.0", "Postfix 3.9 removed it"),
        ("reject_maps_rbl", "3.7.11", ""),
    ],
)
def test_a_restriction_of_another_version_is_refused(name: str, version: str, reason: str) -> None:
    found = findings_of("unknown-restriction", {SENDERS: name}, facts=facts(version=version))
    assert [reason in finding.text for finding in found] == ([True] if reason else [])


def test_a_misspelt_restriction_of_a_class_is_refused() -> None:
    classes = {"smtpd_restriction_classes": "strict", "strict": "reject_unverified_sendr"}
    assert "reject_unverified_sendr" in only_finding("unknown-restriction", classes)


def test_known_restrictions_with_their_arguments_are_fine() -> None:
    fine = """permit_mynetworks, Reject_Unknown_Sender_Domain
        check_policy_service unix:private/policy, check_policy_service { inet:127.0.0.1:10023, timeout=10s }
        reject_rbl_client zen.spamhaus.org=127.0.0.[2..11], warn_if_reject reject_rhsbl_sender dbl.spamhaus.org
        check_sender_access inline:{ {x.example = OK} }, sleep 1, strict, permit"""
    classes = {"smtpd_restriction_classes": "strict", "strict": "reject_unverified_sender"}
    for rule in ("unknown-restriction", "incomplete-restriction", "unreachable-restriction"):
        assert not findings_of(rule, {SENDERS: fine, **classes})


@pytest.mark.parametrize(
    "value",
    [
        "check_sender_access",
        "check_sender_access reject",
        "reject_rbl_client, reject",
        "check_policy_service",
        "sleep now",
    ],
)
def test_a_restriction_without_its_argument_is_refused(value: str) -> None:
    assert value.split(maxsplit=1)[0].strip(",") in only_finding("incomplete-restriction", {SENDERS: value})


def test_what_comes_after_a_final_word_is_told_of() -> None:
    (finding,) = findings_of(
        "unreachable-restriction", {SENDERS: "permit_mynetworks, reject, check_sender_access static:OK"}
    )
    assert not finding.is_error
    assert not findings_of("unreachable-restriction", {SENDERS: "warn_if_reject reject, permit"})


def test_a_restriction_class_without_a_definition_is_refused() -> None:
    assert "strict" in only_finding("undefined-class", {"smtpd_restriction_classes": "strict"})
    assert not findings_of("undefined-class", {"smtpd_restriction_classes": "strict", "strict": "reject"})


@pytest.mark.parametrize(
    "value", ["permit_mynetworks", "", "permit, reject_unauth_destination", "warn_if_reject reject_unauth_destination"]
)
def test_lists_that_never_refuse_to_relay_are_refused(value: str) -> None:
    assert "relay" in only_finding("no-relay-protection", {RELAY: value})


def test_a_service_that_takes_the_protection_away_is_refused_at_its_line() -> None:
    service = "127.0.0.1:2525 inet n - n - - smtpd\n  -o smtpd_relay_restrictions=permit_mynetworks\n"
    assert only_finding("no-relay-protection", files={"master.d/in.cf": service}).startswith("master.d/in.cf:2:")


@pytest.mark.parametrize(
    "lists",
    [
        {RELAY: "", RECIPIENT: "permit_mynetworks, reject_unauth_destination"},
        {RELAY: "permit_sasl_authenticated, reject"},
        {RELAY: "guard", "smtpd_restriction_classes": "guard", "guard": "permit_mynetworks, defer_unauth_destination"},
        {RELAY: "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, defer_unauth_destination}}"},
    ],
)
def test_protection_by_either_list_is_enough(lists: dict[str, str]) -> None:
    assert not findings_of("no-relay-protection", lists)
