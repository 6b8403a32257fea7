"""The section ``smart_host``: logins, presets, and what does not fit together."""

from __future__ import annotations

import pytest

from reconciler.desired.load import load
from reconciler.features import smart_host
from reconciler.features.composition import compose
from reconciler.model import Contribution, File, Secret, Severity
from reconciler.model.errors import InvalidSource
from tests.unit.commits import load_commit
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import HOST


def composed(mail: str) -> Contribution:
    """What all features make of a mail.yaml."""
    files = {"mail.yaml": mail, "secrets/one.age": "", "secrets/two.age": ""}
    secrets = {name: Secret(name, f"pass-{name}") for name in ("one", "two")}
    sealed = {path: File.of(text.encode() or b"age-encryption.org/v1\n") for path, text in files.items()}
    return compose(load(sealed, HOST.host, secrets), HOST)


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
    preset = composed(f"smart_host: {{preset: mailchannels, {TWO}}}\n")
    assert preset.parameters["relayhost"].value == "smtp.mailchannels.net:587"
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
        ("{preset: mailchannels}", "mailchannels takes mail only after a login; write username: USER, and run"),
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
    assert "[b.example]:587" in only_finding(
        "mixed-wrapping", smart_host={"nexthop": "[a.example]:465", "senders": {"@b.c": b}}
    )
    straight = {"nexthop": "", "senders": {"@b.c": {"nexthop": "[b.example]:465"}}}
    assert "goes directly to its MX" in only_finding("mixed-wrapping", smart_host=straight)
    typo = {"nexthop": "a.example", "senders": {"@b.c": {"nexthop": "b.example:submisson"}}}
    assert only_finding("malformed-nexthop", smart_host=typo).endswith("did you mean b.example:submission?")
    taken = {"master.d/own.cf": "smart_host unix - - n - - smtp\n"}
    assert findings_of("duplicate-service", files=taken, smart_host={"nexthop": "[a.example]:465"})
    assert not findings_of("duplicate-service", files=taken, smart_host={"nexthop": "[a.example]:587"})
    twice = {"nexthop": "a.example", "senders": {"@b.c": b, "@B.c": b}}
    assert "ignores case" in only_finding("duplicate-sender", smart_host=twice)
    own = {"tables/sender_relayhost": "@b.c  x.example\n"}
    assert "already makes the table" in only_finding(
        "duplicate-sender", files=own, smart_host={"nexthop": "a.example", "senders": {"@b.c": b}}
    )


def test_rows_that_go_past_the_smart_host_are_told_of_once_a_table() -> None:
    rows = {"tables/transport": "a.example  :\nb.example  error:no\nc.example relaylim:\nd.example relaylim:\n"}
    smart = {"nexthop": "[relay.example]:587"}
    (finding,) = findings_of("past-smart-host", files=rows, smart_host=smart)
    assert (str(finding.where), finding.severity) == ("tables/transport:3:1", Severity.WARNING)
    assert not findings_of("past-smart-host", files=rows)
    whole = {"tables/transport": "c.example relaylim:[relay.example]:587\n"}
    assert not findings_of("past-smart-host", files=whole, smart_host=smart)
    by_sender = {"tables/sender_transport": "@c.example relaylim:\n"}
    assert not findings_of("not-wrapped", files=by_sender, smart_host=smart)
    wrapped = {"nexthop": "[relay.example]:465"}
    (finding,) = findings_of("not-wrapped", files=by_sender, smart_host=wrapped)
    assert (str(finding.where), finding.is_error) == ("tables/sender_transport:1:1", True)
    begins = {"relaylim/unix": {"options": {"smtp_tls_wrappermode": "yes"}}}
    assert not findings_of("not-wrapped", files=by_sender, smart_host=wrapped, services=begins)
    assert findings_of("not-wrapped", {"default_transport": "smtp"}, smart_host=wrapped)
    assert not findings_of("not-wrapped", {"default_transport": "smtp:[relay.example]:25"}, smart_host=wrapped)


def test_smart_host_off_says_that_there_is_none() -> None:
    section = load_commit("smart_host: off\n").section(smart_host.Schema)

    assert section
    assert section.nexthop == ""
