"""What a schema has against a value, at its place and with what was meant; passwords are never repeated."""

from __future__ import annotations

import pytest

from tests.unit.commits import load_findings


@pytest.mark.parametrize(
    ("mail", "place", "cause"),
    [
        ("a: !!python/name:os.system x\n", "mail.yaml:1:4", "the only one is !secret"),
        ("a: !secret [x]\n", "mail.yaml:1:4", "!secret"),
        ("a: &x [*x]\n", "mail.yaml:1:4", "alias"),
        ("a: b\na: c\n", "mail.yaml:2:1", "already set at line 1"),
        ("a: {<<: {b: c}}\n", "mail.yaml:1:5", "merge keys"),
        ("a: b\n---\nc: d\n", "mail.yaml:2:1", "second YAML document"),
        ("a: " + "[" * 20 + "]" * 20, "mail.yaml:1:19", "nested deeper"),
        ("- a\n", "mail.yaml:1:1", "a list"),
        ("just words\n", "mail.yaml:1:1", "just words"),
        ("parameters:\n  a:\n", "mail.yaml:2:5", 'write ""'),
        ("parameters:\n  relayhost: [mail.relay.com]\n", "mail.yaml:2:3", 'whole value: relayhost: "[mail.relay.com]"'),
        ("smart_host:\n  nexthop: [mail.relay.com]\n", "mail.yaml:2:3", 'whole value: nexthop: "[mail.relay.com]"'),
        ("smart_host: {nexthop: 'a b'}\n", "mail.yaml:1:23", "not a nexthop"),
        ("smart_host: {nexthop: a, username: u}\n", "mail.yaml:1:26", "password is missing"),
        ("smart_host: {nexthop: a, username: u, password: !secret nosuch}\n", "mail.yaml:1:49", "secret set nosuch"),
        ("parameters: {a: !secret x}\n", "mail.yaml:1:17", "every user of the host can read main.cf"),
        ('parameters:\n  smtpd_banner: "x\\nmynetworks = 0.0.0.0/0"\n', "mail.yaml:2:17", "smtpd_banner"),
        ("transports: {slow: {concurrency: 0}}\n", "mail.yaml:1:34", "greater than"),
        ("transports: {slow: {rate_delay: 2x}}\n", "mail.yaml:1:33", "rate_delay"),
        ("services: {smtp: {maxproc: 1}}\n", "mail.yaml:1:12", "smtp"),
        ("services: {smtp/inet: {maxprocs: 1}}\n", "mail.yaml:1:24", "did you mean maxproc"),
        ("services: {smtp: {}}\n", "mail.yaml:1:12", "expected NAME/TYPE, such as smtp/inet"),
        ("services: {smtp/inet: {options: {a b: c}}}\n", "mail.yaml:1:34", "name in services.smtp/inet.options"),
        ("services: {smtp/inet: {options: [x=y]}}\n", "mail.yaml:1:24", "write options: {x: y}"),
        ("services: {smtp/inet: {arguments: x}}\n", "mail.yaml:1:35", "arguments is a list"),
        ("services: {smtp/inet: {arguments: [null]}}\n", "mail.yaml:1:36", "is one text, got nothing"),
        ("services: {foo/unix: {maxproc: 1}}\n", "mail.yaml:1:12", "needs a command"),
        ("services: {smpt/inet: {maxproc: 1}}\n", "mail.yaml:1:12", "did you mean smtp/inet"),
        ("transports: {slow: {address: [1.2.3.4]}}\n", "mail.yaml:1:21", 'address: "1.2.3.4"'),
        ("transports: {slow: {address: x}}\n", "mail.yaml:1:30", 'is an IPv4 or IPv6 address, got "x"'),
        ("transports: {slow: {retry: x}}\n", "mail.yaml:1:28", 'is yes or no, got "x"'),
        ("transports: {slow: x}\n", "mail.yaml:1:20", "a mapping with the keys concurrency, "),
        ("smart_host: '[h]:587'\n", "mail.yaml:1:13", 'is a mapping: smart_host: {nexthop: "[h]:587"}'),
        ("smart_host: [h]\n", "mail.yaml:1:1", 'is a mapping: smart_host: {nexthop: "[h]"}'),
        ("tls: encrypt\n", "mail.yaml:1:6", "is a mapping with the keys outbound"),
        ("parameters: x\n", "mail.yaml:1:13", "is a mapping of NAME: VALUE"),
        ("parameters: {a: [b, null]}\n", "mail.yaml:1:14", "is one text, got a list"),
        ("parameters: {mynetworks: [a, b]}\n", "mail.yaml:1:14", 'mynetworks: "a, b"'),
        ("parameters:\n  mynetworks:\n  - a\n  - b\n", "mail.yaml:2:3", 'write mynetworks: "a, b"'),
        ("hostname: [a.b]\n", "mail.yaml:1:1", 'hostname: "a.b"'),
        ("parameters:\nhostname: a.b\n", "mail.yaml:1:12", "remove the key, or write parameters: {}"),
        ("hostname:\n", "mail.yaml:1:10", "give it one or remove the key"),
        ("myorigin: a\n", "mail.yaml:1:1", "write it under parameters: {myorigin: ...}"),
        ("smtpd_banner: a\n", "mail.yaml:1:1", "write it under parameters:"),
        ("sasl_things: {a: b}\n", "mail.yaml:1:1", "known keys are base, dkim, dns, "),
    ],
)  # fmt: skip
def test_bad_yaml_is_refused_at_its_place_with_its_cause(mail: str, place: str, cause: str) -> None:
    told = load_findings(mail)

    assert any(str(one).startswith(f"{place}:") and cause in one.text for one in told), [str(one) for one in told]


def test_a_plain_text_password_is_refused_without_being_repeated() -> None:
    [told] = load_findings("smart_host: {nexthop: a, username: u, password: hunter2}\n")

    assert "reconciler secret set smart_host" in told.text
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("password", ["[hunter2]", "{hunter2: hunter2}"])
def test_nor_is_a_password_of_any_other_kind(password: str) -> None:
    [told] = load_findings(f"smart_host: {{nexthop: a, username: u, password: {password}}}\n")

    assert told.rule == "plain-text-secret"
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("again", ["x", "[a, b]", "{a: x}", "{a: {b: {c: d}}}", "{a: [x, {b: c}]}", "!secret s"])
@pytest.mark.parametrize("first", ["x", "[a]", "{a: x}", "{a: {b: c}}", "{a: [{b: c}]}", "!secret s"])
@pytest.mark.parametrize("section", ["parameters", "smart_host", "services", "nosuch"])
def test_a_section_that_is_there_twice_is_a_finding_whatever_the_two_are(section: str, first: str, again: str) -> None:
    found = load_findings(f"hostname: x.test\n{section}: {first}\n{section}: {again}\n")

    assert any(one.startswith("mail.yaml:3:1: ") and "already set at line 2" in one for one in map(str, found))


@pytest.mark.parametrize(
    "mail",
    [
        "smart_host: |\n  nexthop: a\n  password: geheim\n",
        "smart_host: {nexthop: a, username: u, password: !secret geheim/2 x}\n",
        "smart_host: {nexthop: a, username: u, pass: geheim}\n",
        "smart_host:\n  nexthop: a\n  pass: @geheim\n",
        "smart_host:\n  nexthop: a\n  password: [!geheim\n",
        "parameters:\n  smtp_sasl_password_maps = static:me:geheim\n",
        "parameters:\n  smtp_sasl_password_maps:static:me:geheim\n",
        "parameters:\n  smtp_sasl_password_maps: static:me:x: geheim\n",
        "parameters:\n  smtp_sasl_password_maps:\n  static:me:geheim\n",
        "parameters:\n  smtp_sasl_password_maps: [static:me:geheim]\n",
        "parameters:\n  smtp_sasl_password_maps: {a: inline:x=me:geheim}\n",
        "parameters:\n  people_bind_pw: [geheim]\n",
        "parameters:\n  people_bind_pw = geheim\n",
        "parameters:\n  people_bind_pw: {a: geheim}\n",
        "parameters: |\n  smtp_sasl_password_maps = static:me:geheim\n",
        "password:geheim\n",
    ],
)
def test_a_value_that_may_be_a_password_is_not_shown(mail: str) -> None:
    found = load_findings(mail)

    assert found
    assert not [one for one in found if "geheim" in f"{one} {one.subject}"]


@pytest.mark.parametrize(
    ("mail", "written"),
    [
        ("parameters:\n  smtp_sasl_password_maps = hash:/etc/x\n", "write smtp_sasl_password_maps: hash:/etc/x"),
        ("parameters:\n  local_recipient_maps = static:all\n", "write local_recipient_maps: static:all"),
        ("services:\n  smtpd/pass:command\n", "smtpd/pass"),
    ],
)
def test_what_is_no_password_is_shown(mail: str, written: str) -> None:
    assert any(written in str(one) for one in load_findings(mail))
