"""The setting ``relay_mynetworks``."""

from __future__ import annotations

from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Contribution, File, Secret, Severity
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import HOST

RELAY = "smtpd_relay_restrictions"


def composed(mail: str) -> Contribution:
    """What all features make of a mail.yaml."""
    files = {"mail.yaml": mail, "secrets/one.age": "", "secrets/two.age": ""}
    secrets = {name: Secret(name, f"pass-{name}") for name in ("one", "two")}
    sealed = {path: File.of(text.encode() or b"age-encryption.org/v1\n") for path, text in files.items()}
    return compose(load(sealed, HOST.host, secrets), HOST)


def test_relay_mynetworks_puts_the_networks_ahead_of_the_protection_or_leaves_them_out() -> None:
    protected = "permit_sasl_authenticated, reject_unauth_destination"
    for said, value in (("no", protected), ("yes", f"permit_mynetworks, {protected}")):
        assert composed(f"relay_mynetworks: {said}\n").parameters[RELAY].value == value
    assert RELAY not in composed("hostname: mx.test.example\n").parameters


def test_what_prevails_over_relay_mynetworks_is_told_of_once_a_service() -> None:
    back = {"master.d/back.cf": f"127.0.0.1:10025 inet n - n - - smtpd\n  -o {RELAY}=permit_mynetworks,reject\n"}
    (finding,) = findings_of("mynetworks-relay", {RELAY: "reject_unauth_destination"}, back, relay_mynetworks=False)
    assert (finding.severity, str(finding.where)) == (Severity.WARNING, "master.d/back.cf:2:6")
    assert "smtp/inet" in only_finding("mynetworks-relay", relay_mynetworks=False)
    assert not findings_of("mynetworks-relay", relay_mynetworks=True)
    assert not findings_of("mynetworks-relay", {RELAY: "reject_unauth_destination"}, relay_mynetworks=False)
