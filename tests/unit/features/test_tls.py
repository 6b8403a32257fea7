"""The section ``tls``: levels, what they need, and what they refuse."""

from __future__ import annotations

import pytest

from reconciler.desired.lint import mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import RESOLVER, Contribution, File, Secret, Severity
from reconciler.model.errors import InvalidSource
from tests.unit.desired_states import desired, findings_of, linted
from tests.unit.host_facts import HOST, facts


def composed(mail: str) -> Contribution:
    """What all features make of a mail.yaml."""
    files = {"mail.yaml": mail, "secrets/one.age": "", "secrets/two.age": ""}
    secrets = {name: Secret(name, f"pass-{name}") for name in ("one", "two")}
    sealed = {path: File.of(text.encode() or b"age-encryption.org/v1\n") for path, text in files.items()}
    return compose(load(sealed, HOST.host, secrets), HOST)


def table(merged: Contribution, name: str) -> str:
    return merged.tables[name].source.decode()


PRINT = ":".join(["AB"] * 32)


def test_levels_bring_what_they_need_and_nothing_else() -> None:
    plain = composed("hostname: mx.test.example\n").parameters
    assert [name for name in plain if "tls" in name or "dns" in name] == ["smtp_tls_security_level"]
    for tls in ("{outbound: dane}", "{destinations: {a.example: dane-only}}"):
        assert composed(f"tls: {tls}\n").parameters["smtp_dns_support_level"].value == "dnssec"
    merged = composed(f"tls: {{outbound: fingerprint, fingerprints: ['{PRINT.lower()}'], ca_path: /etc/ssl/certs}}\n")
    assert merged.parameters["smtp_tls_fingerprint_cert_match"].value == PRINT
    assert merged.parameters["smtp_tls_fingerprint_digest"].value == "sha256"
    assert merged.parameters["smtp_tls_CApath"].value == "/etc/ssl/certs"
    rows = composed("tls: {destinations: {A.example: none, .b.example: may, '[c.example]:587': encrypt}}\n")
    assert table(rows, "tls_policy") == "a.example none\n.b.example may\n[c.example]:587 encrypt\n"


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        ("{outbound: fingerprint, fingerprints: [AB:CD]}", 'not a fingerprint: "AB:CD"'),
        ("{outbound: verfy}", "did you mean verify?"),
        ("{destinations: {a.example: secured}}", "did you mean secure?"),
        ("{outbound: secure, ca_file: certs.pem}", 'not a valid ca_file: "certs.pem"'),
        ("{destination: {a.example: may}}", "did you mean destinations?"),
    ],
)
def test_a_tls_section_that_can_not_be_read_says_what_was_meant(tls: str, text: str) -> None:
    with pytest.raises(InvalidSource) as caught:
        composed(f"tls: {tls}\n")
    assert text in str(caught.value)


def test_levels_without_what_they_need_are_refused() -> None:
    for place in ({"outbound": "fingerprint"}, {"destinations": {"a.example": "fingerprint"}}):
        assert findings_of("no-fingerprints", tls=place)
        assert not findings_of("no-fingerprints", tls=place | {"fingerprints": [PRINT]})
    for level in ("verify", "secure"):
        assert findings_of("missing-partner", tls={"outbound": level})
        assert findings_of("no-authority", tls={"destinations": {"a.example": level}})
        trusting = {"outbound": level, "destinations": {"a.example": level}, "ca_file": "/etc/ssl/ca.pem"}
        assert not findings_of("no-authority", tls=trusting) + findings_of("missing-partner", tls=trusting)
    policy = {"tables/tls_policy": "a.example may\n"}
    assert findings_of("two-policies", files=policy, tls={"destinations": {"b.example": "may"}})
    assert not findings_of("two-policies", files=policy, tls={"outbound": "may"})
    for bad in ({"a..example": "may"}, {"[a.example": "may"}, {"a.example": "may", "A.example": "none"}):
        assert len(findings_of("bad-destination", tls={"destinations": bad})) == 1


def test_dane_is_refused_where_the_name_server_is_known_to_check_nothing() -> None:
    unchecked = facts(answers={RESOLVER: "192.0.2.53 does not check DNSSEC"})
    for tls in ({"outbound": "dane"}, {"destinations": {"a.example": "dane-only"}}):
        (finding,) = findings_of("no-dnssec", facts=unchecked, tls=tls)
        assert finding.is_error
        assert RESOLVER in mentioned(compose(desired(tls=tls), HOST), HOST).servers
        for known in ("", None):
            assert not findings_of("no-dnssec", facts=facts(answers={RESOLVER: known}), tls=tls)
    places = {"outbound": "dane", "destinations": {"a.example": "dane-only"}}
    assert {finding.subject for finding in findings_of("no-dnssec", facts=unchecked, tls=places)} == {
        "dane",
        "dane-only",
    }
    assert findings_of("no-dnssec", {"smtp_tls_security_level": "dane"}, facts=unchecked)
    assert not findings_of("no-dnssec", facts=unchecked, tls={"outbound": "encrypt"})
    assert RESOLVER not in mentioned(compose(desired(), HOST), HOST).servers


def test_encryption_for_everybody_is_told_of_without_a_smart_host() -> None:
    for level in ("encrypt", "dane-only"):
        (finding,) = findings_of("tls-for-everybody", tls={"outbound": level})
        assert finding.severity is Severity.WARNING
        assert not findings_of("tls-for-everybody", tls={"outbound": level}, smart_host={"nexthop": "a.example"})
    for level in ("may", "dane"):
        assert not findings_of("tls-for-everybody", tls={"outbound": level})


def test_a_login_in_clear_text_and_port_465_without_tls_are_refused() -> None:
    login = "{nexthop: '[a.example]:587', username: u, password: !secret one}"
    for tls in ("{outbound: none}", "{destinations: {'[a.example]:587': none}}"):
        state = load(
            {
                "mail.yaml": File.of(f"smart_host: {login}\ntls: {tls}\n".encode()),
                "secrets/one.age": File.of(b"age-encryption.org/v1\n"),
            },
            HOST.host,
            {"one": Secret("one", "x")},
        )
        assert [one.rule for one in linted(state) if one.is_error] == ["login-in-clear-text"]
    wrapped = {"nexthop": "[a.example]:465"}
    for level in ("none", "may", "dane"):
        assert findings_of("wrapper-needs-tls", smart_host=wrapped, tls={"outbound": level})
    assert findings_of("wrapper-needs-tls", {"smtp_tls_security_level": "may"}, smart_host=wrapped)
    assert not findings_of("wrapper-needs-tls", smart_host=wrapped, tls={"destinations": {"b.example": "none"}})
