"""The section ``submission``."""

from __future__ import annotations

from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Contribution, File, Secret
from tests.unit.desired_states import desired, findings_of, linted, only_finding
from tests.unit.host_facts import HOST

RELAY = "smtpd_relay_restrictions"


def composed(mail: str) -> Contribution:
    """What all features make of a mail.yaml."""
    files = {"mail.yaml": mail, "secrets/one.age": "", "secrets/two.age": ""}
    secrets = {name: Secret(name, f"pass-{name}") for name in ("one", "two")}
    sealed = {path: File.of(text.encode() or b"age-encryption.org/v1\n") for path, text in files.items()}
    return compose(load(sealed, HOST.host, secrets), HOST)


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
    assert "mail.yaml" in only_finding("nobody-logs-in", submission={})
    assert len(findings_of("no-certificate", submission={})) == 2
    for own in (READY, READY | {"smtpd_sasl_type": "cyrus", "smtpd_sasl_path": "smtpd"}):
        found = [one for one in linted(desired(own, submission={})) if one.is_error]
        assert [one.rule for one in found] == []
    assert not findings_of("nobody-logs-in", submission={"enabled": False})


def test_submission_can_be_changed_as_a_service_and_not_be_brought_twice() -> None:
    changed = composed("submission: {wrapper: no}\nservices: {submission/inet: {maxproc: 50}}\n")
    assert [one.maxproc for one in changed.entries if one.name == "submission"] == ["50"]
    twice = {"master.d/mua.cf": "submission inet n - n - - smtpd\n"}
    assert "submission already adds submission/inet" in only_finding("duplicate-service", READY, twice, submission={})
    assert not findings_of("duplicate-service", READY, twice)
