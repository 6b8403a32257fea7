"""The section ``sasl``."""

from __future__ import annotations

from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Contribution, File, Secret, Severity
from tests.unit.desired_states import findings_of
from tests.unit.host_facts import HOST


def composed(mail: str) -> Contribution:
    """What all features make of a mail.yaml."""
    files = {"mail.yaml": mail, "secrets/one.age": "", "secrets/two.age": ""}
    secrets = {name: Secret(name, f"pass-{name}") for name in ("one", "two")}
    sealed = {path: File.of(text.encode() or b"age-encryption.org/v1\n") for path, text in files.items()}
    return compose(load(sealed, HOST.host, secrets), HOST)


def test_the_authenticated_header_without_a_smart_host_is_told_of() -> None:
    (finding,) = findings_of("exposed-account", sasl={"authenticated_header": True})
    assert finding.severity is Severity.WARNING
    for other in ({"smart_host": {"nexthop": "[relay.example]"}}, {"sasl": {"authenticated_header": False}}):
        assert not findings_of("exposed-account", **{"sasl": {"authenticated_header": True}} | other)
    assert composed("sasl: {authenticated_header: no}\n").parameters["smtpd_sasl_authenticated_header"].value == "no"
    assert "smtpd_sasl_authenticated_header" not in composed("sasl: {}\n").parameters
