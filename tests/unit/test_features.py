"""What the features make of their sections, and what they have against them; mail itself is tests/e2e's."""

from __future__ import annotations

from reconciler.features import compose
from reconciler.load import load
from reconciler.model import Contribution, File, Severity
from tests.unit.facts import HOST
from tests.unit.states import desired, linted, the, told

RELAY = "smtpd_relay_restrictions"


def composed(mail: str) -> Contribution:
    """What all features make of a mail.yaml."""
    return compose(load({"mail.yaml": File.of(mail.encode())}, HOST.host, {}), HOST)


def test_relay_mynetworks_puts_the_networks_ahead_of_the_protection_or_leaves_them_out() -> None:
    protected = "permit_sasl_authenticated, reject_unauth_destination"
    for said, value in (("no", protected), ("yes", f"permit_mynetworks, {protected}")):
        assert composed(f"relay_mynetworks: {said}\n").parameters[RELAY].value == value
    assert RELAY not in composed("hostname: mx.test.example\n").parameters


def test_what_prevails_over_relay_mynetworks_is_told_of_once_a_service() -> None:
    back = {"master.d/back.cf": f"127.0.0.1:10025 inet n - n - - smtpd\n  -o {RELAY}=permit_mynetworks,reject\n"}
    (finding,) = told("mynetworks-relay", {RELAY: "reject_unauth_destination"}, back, relay_mynetworks=False)
    assert (finding.severity, str(finding.where)) == (Severity.WARNING, "master.d/back.cf:2:6")
    assert "smtp/inet" in the("mynetworks-relay", relay_mynetworks=False)
    assert not told("mynetworks-relay", relay_mynetworks=True)
    assert not told("mynetworks-relay", {RELAY: "reject_unauth_destination"}, relay_mynetworks=False)


READY = {"smtpd_tls_chain_files": "/etc/ssl/mx.pem", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"}


def test_submission_brings_one_service_a_port_and_none_when_off() -> None:
    for said, expected in (
        ("{enabled: yes, wrapper: yes}", {"submission/inet", "submissions/inet"}),
        ("{wrapper: no}", {"submission/inet"}),
        ("{enabled: no}", set()),
    ):
        merged = composed(f"submission: {said}\n")
        assert {service.key for service in merged.entries if service.name.startswith("submission")} == expected
        relay = [one.value for service in merged.entries for one in service.overrides if one.name == RELAY]
        assert relay == ["permit_sasl_authenticated, reject"] * len(expected)


def test_submission_needs_a_certificate_and_somebody_who_knows_passwords() -> None:
    assert "mail.yaml" in the("nobody-logs-in", submission={})
    assert len(told("no-certificate", submission={})) == 2
    for own in (READY, READY | {"smtpd_sasl_type": "cyrus", "smtpd_sasl_path": "smtpd"}):
        found = [one for one in linted(desired(own, submission={})) if one.is_error]
        assert [one.rule for one in found] == []
    assert not told("nobody-logs-in", submission={"enabled": False})


def test_submission_can_be_changed_as_a_service_and_not_be_brought_twice() -> None:
    changed = composed("submission: {wrapper: no}\nservices: {submission/inet: {maxproc: 50}}\n")
    assert [one.maxproc for one in changed.entries if one.name == "submission"] == ["50"]
    twice = {"master.d/mua.cf": "submission inet n - n - - smtpd\n"}
    assert "submission brings submission/inet already" in the("duplicate-service", READY, twice, submission={})
    assert not told("duplicate-service", READY, twice)


def test_the_authenticated_header_without_a_smart_host_is_told_of() -> None:
    (finding,) = told("exposed-account", sasl={"authenticated_header": True})
    assert finding.severity is Severity.WARNING
    for other in ({"smart_host": {"nexthop": "[relay.example]"}}, {"sasl": {"authenticated_header": False}}):
        assert not told("exposed-account", **{"sasl": {"authenticated_header": True}} | other)
    assert composed("sasl: {authenticated_header: no}\n").parameters["smtpd_sasl_authenticated_header"].value == "no"
    assert "smtpd_sasl_authenticated_header" not in composed("sasl: {}\n").parameters
