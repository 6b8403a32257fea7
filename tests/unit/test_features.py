"""What the features make of their sections, and what they have against them; mail itself is tests/e2e's."""

from __future__ import annotations

from reconciler.features import compose
from reconciler.load import load
from reconciler.model import Contribution, File, Severity
from tests.unit.facts import HOST
from tests.unit.states import the, told

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
