"""What the features make of their sections, and what they have against them; mail itself is tests/e2e's."""

from __future__ import annotations

import pytest

from reconciler.desired.lint import mentioned
from reconciler.desired.load import load
from reconciler.features import compose
from reconciler.model import RESOLVER, Contribution, File, Secret, Severity
from reconciler.model.errors import InvalidSource
from tests.unit.facts import HOST, facts
from tests.unit.states import desired, linted, the, told

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


ONE, TWO = "username: u1, password: !secret one", "username: u2, password: !secret two"


def table(merged: Contribution, name: str) -> str:
    return merged.tables[name].source.decode()


def test_logins_are_kept_by_nexthop_and_by_sender_only_where_they_share_one() -> None:
    apart = composed(
        f"smart_host: {{nexthop: a.example, {ONE}, senders: {{'@X.example': {{nexthop: b.example, {TWO}}}}}}}\n"
    )
    assert table(apart, "sasl_passwd") == "a.example u1:pass-one\nb.example u2:pass-two\n"
    assert table(apart, "sender_relayhost") == "@x.example b.example\n"
    assert "smtp_sender_dependent_authentication" not in apart.parameters
    shared = composed(
        f"smart_host: {{nexthop: a.example, {ONE}, senders: {{x@x.example: {{nexthop: a.example, {TWO}}}}}}}\n"
    )
    assert table(shared, "sasl_passwd") == "a.example u1:pass-one\nx@x.example u2:pass-two\n"
    assert shared.parameters["smtp_sender_dependent_authentication"].value == "yes"
    alone = composed(f"smart_host: {{nexthop: a.example, senders: {{x@x.example: {{nexthop: a.example, {TWO}}}}}}}\n")
    assert table(alone, "sasl_passwd") == "x@x.example u2:pass-two\n"
    assert alone.parameters["smtp_tls_security_level"].value == "encrypt"


def test_a_preset_stands_for_its_nexthop_and_port_465_for_a_service_with_tls_first() -> None:
    assert composed("smart_host: {preset: mailchannels}\n").parameters["relayhost"].value == "smtp.mailchannels.net:587"
    for port in ("465", "smtps", "submissions"):
        merged = composed(f"smart_host: {{nexthop: '[a.example]:{port}'}}\n")
        assert merged.parameters["default_transport"].value == "smart_host"
        assert merged.parameters["smtp_tls_security_level"].value == "encrypt"
        assert "smtp_tls_wrappermode" not in merged.parameters
    changed = composed("smart_host: {nexthop: a.example:465}\nservices: {smart_host/unix: {maxproc: 5}}\n")
    assert [one.maxproc for one in changed.entries if one.name == "smart_host"] == ["5"]
    plain = composed("smart_host: {nexthop: '[2001:db8::465]'}\n")
    assert "default_transport" not in plain.parameters
    assert "smart_host/unix" not in plain.services


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("{preset: mailchanels}", "did you mean mailchannels?"),
        ("{preset: mailchannels, nexthop: a.example}", "write one of the two"),
        ("{nexthop: a.example, senders: {example.com: {nexthop: b.example}}}", 'not a sender: "example.com"'),
        ("{nexthop: a.example, senders: {'@b.example': {nexthop: ''}}}", "is empty"),
        ("{nexthop: a.example, senders: {'@b.example': {nexthop: b.example, username: u}}}", "password is missing"),
        ("{}", "smart_host.nexthop is missing"),
    ],
)
def test_a_smart_host_that_says_too_much_or_too_little_is_refused(section: str, text: str) -> None:
    with pytest.raises(InvalidSource) as caught:
        composed(f"smart_host: {section}\n")
    assert text in str(caught.value)


def test_relays_that_do_not_fit_together_are_refused() -> None:
    b = {"nexthop": "[b.example]:587"}
    assert "[b.example]:587" in the("mixed-wrapping", smart_host={"nexthop": "[a.example]:465", "senders": {"@b.c": b}})
    straight = {"nexthop": "", "senders": {"@b.c": {"nexthop": "[b.example]:465"}}}
    assert "goes straight to its MX" in the("mixed-wrapping", smart_host=straight)
    typo = {"nexthop": "a.example", "senders": {"@b.c": {"nexthop": "b.example:submisson"}}}
    assert the("malformed-nexthop", smart_host=typo).endswith("did you mean b.example:submission?")
    taken = {"master.d/own.cf": "smart_host unix - - n - - smtp\n"}
    assert told("duplicate-service", files=taken, smart_host={"nexthop": "[a.example]:465"})
    assert not told("duplicate-service", files=taken, smart_host={"nexthop": "[a.example]:587"})
    twice = {"nexthop": "a.example", "senders": {"@b.c": b, "@B.c": b}}
    assert "capitals" in the("duplicate-sender", smart_host=twice)
    own = {"tables/sender_relayhost": "@b.c  x.example\n"}
    assert "itself" in the("duplicate-sender", files=own, smart_host={"nexthop": "a.example", "senders": {"@b.c": b}})


def test_rows_that_go_past_the_smart_host_are_told_of_once_a_table() -> None:
    rows = {"tables/transport": "a.example  :\nb.example  error:no\nc.example relaylim:\nd.example relaylim:\n"}
    smart = {"nexthop": "[relay.example]:587"}
    (finding,) = told("past-smart-host", files=rows, smart_host=smart)
    assert (str(finding.where), finding.severity) == ("tables/transport:3:1", Severity.WARNING)
    assert not told("past-smart-host", files=rows)
    whole = {"tables/transport": "c.example relaylim:[relay.example]:587\n"}
    assert not told("past-smart-host", files=whole, smart_host=smart)
    by_sender = {"tables/sender_transport": "@c.example relaylim:\n"}
    assert not told("not-wrapped", files=by_sender, smart_host=smart)
    wrapped = {"nexthop": "[relay.example]:465"}
    (finding,) = told("not-wrapped", files=by_sender, smart_host=wrapped)
    assert (str(finding.where), finding.is_error) == ("tables/sender_transport:1:1", True)
    begins = {"relaylim/unix": {"options": {"smtp_tls_wrappermode": "yes"}}}
    assert not told("not-wrapped", files=by_sender, smart_host=wrapped, services=begins)
    assert told("not-wrapped", {"default_transport": "smtp"}, smart_host=wrapped)
    assert not told("not-wrapped", {"default_transport": "smtp:[relay.example]:25"}, smart_host=wrapped)


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
        assert told("no-fingerprints", tls=place)
        assert not told("no-fingerprints", tls=place | {"fingerprints": [PRINT]})
    for level in ("verify", "secure"):
        assert told("missing-partner", tls={"outbound": level})
        assert told("no-authority", tls={"destinations": {"a.example": level}})
        trusting = {"outbound": level, "destinations": {"a.example": level}, "ca_file": "/etc/ssl/ca.pem"}
        assert not told("no-authority", tls=trusting) + told("missing-partner", tls=trusting)
    policy = {"tables/tls_policy": "a.example may\n"}
    assert told("two-policies", files=policy, tls={"destinations": {"b.example": "may"}})
    assert not told("two-policies", files=policy, tls={"outbound": "may"})
    for bad in ({"a..example": "may"}, {"[a.example": "may"}, {"a.example": "may", "A.example": "none"}):
        assert len(told("bad-destination", tls={"destinations": bad})) == 1


def test_dane_is_refused_where_the_name_server_is_known_to_check_nothing() -> None:
    unchecked = facts(answers={RESOLVER: "192.0.2.53 does not check DNSSEC"})
    for tls in ({"outbound": "dane"}, {"destinations": {"a.example": "dane-only"}}):
        (finding,) = told("no-dnssec", facts=unchecked, tls=tls)
        assert finding.is_error
        assert RESOLVER in mentioned(compose(desired(tls=tls), HOST), HOST).servers
        for known in ("", None):
            assert not told("no-dnssec", facts=facts(answers={RESOLVER: known}), tls=tls)
    places = {"outbound": "dane", "destinations": {"a.example": "dane-only"}}
    assert {finding.subject for finding in told("no-dnssec", facts=unchecked, tls=places)} == {"dane", "dane-only"}
    assert told("no-dnssec", {"smtp_tls_security_level": "dane"}, facts=unchecked)
    assert not told("no-dnssec", facts=unchecked, tls={"outbound": "encrypt"})
    assert RESOLVER not in mentioned(compose(desired(), HOST), HOST).servers


def test_encryption_for_everybody_is_told_of_without_a_smart_host() -> None:
    for level in ("encrypt", "dane-only"):
        (finding,) = told("tls-for-everybody", tls={"outbound": level})
        assert finding.severity is Severity.WARNING
        assert not told("tls-for-everybody", tls={"outbound": level}, smart_host={"nexthop": "a.example"})
    for level in ("may", "dane"):
        assert not told("tls-for-everybody", tls={"outbound": level})


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
        assert told("wrapper-needs-tls", smart_host=wrapped, tls={"outbound": level})
    assert told("wrapper-needs-tls", {"smtp_tls_security_level": "may"}, smart_host=wrapped)
    assert not told("wrapper-needs-tls", smart_host=wrapped, tls={"destinations": {"b.example": "none"}})
