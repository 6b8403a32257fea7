"""Mail-flow tests as they are written: what is read, and what is said of every mistake."""

from __future__ import annotations

import pytest

from reconciler.desired.budget import Budget
from reconciler.desired.flows import Flow, read
from reconciler.model import File, Finding, Where


def tried(text: str, host: str = "mx1") -> tuple[tuple[Flow, ...], list[str]]:
    findings: list[Finding] = []
    flows = read({"flows/a.yaml": File.of(text.encode())}, host, findings, Budget())
    return flows.all, [str(finding) for finding in findings]


def the(text: str) -> Flow:
    (flow,), findings = tried(text)
    assert findings == []
    return flow


def test_what_nobody_wrote_is_any_stranger_at_the_smtp_port() -> None:
    flow = the("a:\n  to: x@y.example\n  expect: refused\n")
    assert (flow.client, flow.port, flow.tls, flow.login, flow.recipients) == (
        "",
        "smtp",
        True,
        "",
        ("x@y.example",),
    )
    assert flow.where == Where("flows/a.yaml", 1, 1)
    assert flow.expect.refused == ""
    assert not flow.expect.is_delivered


def test_everything_that_may_be_written_is_read() -> None:
    flow = the(
        "all of it:\n  client: 2001:db8::7\n  port: 587\n  helo: '[192.0.2.7]'\n  tls: no\n  login: ada@y.example\n"
        "  from: ''\n  to: [a@y.example, b@y.example]\n  header: {X-One: 1, Subject: a b}\n"
        "  expect: {status: sent, transport: out, nexthop: '[h]:25', recipient: c@y.example, sender: d@y.example,"
        " source: 192.0.2.10, helo: out.example}\n"
    )
    assert (flow.client, flow.port, flow.helo, flow.tls, flow.login) == (
        "2001:db8::7", "587", "[192.0.2.7]", False, "ada@y.example",
    )  # fmt: skip
    assert (flow.sender, flow.recipients, flow.header) == (
        "",
        ("a@y.example", "b@y.example"),
        "X-One: 1\nSubject: a b\n",
    )
    assert (flow.expect.status, flow.expect.transport, flow.expect.nexthop) == ("sent", "out", "[h]:25")
    assert (flow.expect.recipient, flow.expect.source) == (("c@y.example",), "192.0.2.10")
    assert flow.expect.is_delivered


@pytest.mark.parametrize(
    ("written", "code"),
    [("refused", ""), ("refused 554", "554"), ("{refused: 5xx}", "5"), ("{refused: yes}", ""), ("{refused: 4XX}", "4")],
)
def test_a_refusal_may_have_a_code(written: str, code: str) -> None:
    assert the(f"a:\n  to: x@y\n  expect: {written}\n").expect.refused == code


def test_a_test_may_be_for_some_hosts_alone() -> None:
    text = "a:\n  to: x@y\n  hosts: [mx1, mx2]\n  expect: refused\nb:\n  to: x@y\n  hosts: mx2\n  expect: refused\n"
    assert [flow.name for flow in tried(text, "mx1")[0]] == ["a"]
    assert [flow.name for flow in tried(text, "mx2")[0]] == ["a", "b"]


MISTAKES = {
    "to: x@y": "1:1: a.expect is missing",
    "expect: refused": "1:1: a.to is missing",
    "to: x@y\n  expect: acepted": '3:11: a.expect: expected accepted, refused or a mapping, got "acepted"; did you',
    "to: x@y\n  expect: refused 200": '3:11: a.expect: expected a reply code such as 554, 5xx or yes, got "200"',
    "too: x@y\n  expect: refused": '2:3: unknown key "too" in a; did you mean to?',
    "to: x@y\n  expect: {transprot: x}": '3:12: unknown key "transprot" in a.expect; did you mean transport?',
    "to: x@y\n  client: 1.2.3\n  expect: refused": '3:11: a.client is an IPv4 or IPv6 address, got "1.2.3"',
    "to: x@y\n  client: 224.0.0.1\n  expect: refused": '3:11: a.client: no client has the address "224.0.0.1"',
    "to: []\n  expect: refused": "2:3: a.to: expected at least one",
    "to: x@y\n  expect: {refused: 550, status: sent}": "3:3: a.expect: refused mail is not delivered",
    "to: x@y\n  tls: maybe\n  expect: refused": '3:8: a.tls is yes or no, got "maybe"',
    "to: x@y\n  expect: {status: sennt}": "3:20: a.expect.status is one of sent, bounced, deferred, got",
    "to: x@y\n  header: X-A\n  expect: refused": '3:11: a.header is a mapping of NAME: VALUE, got "X-A"',
    "to: x@y\n  port: [1]\n  expect: refused": "3:3: a.port: YAML reads brackets as a list; write one text:",
    "to: x@y\n  port: 25/tcp\n  expect: refused": '3:9: not a valid port: "25/tcp"; expected a number, or a name',
    'to: x@y\n  from: "a\\nRSET"\n  expect: refused': "3:9: a.from: expected plain text on one line, without < or >",
    'to: x@y\n  helo: "a b"\n  expect: refused': '3:9: a.helo: expected one word, got "a b"',
    'to: x@y\n  login: "a b"\n  expect: refused': '3:10: not a valid login: "a b"; expected a name without blanks',
    'to: x@y\n  header: {X-A: "b\\nX-C: d"}\n  expect: refused': "3:17: a.header.X-A: expected plain text on one line",
}


@pytest.mark.parametrize("body", MISTAKES)
def test_every_mistake_has_its_place_and_its_likely_intent(body: str) -> None:
    flows, findings = tried(f"a:\n  {body}\n")
    assert flows == ()
    assert any(one.startswith(f"flows/a.yaml:{MISTAKES[body]}") for one in findings), findings


def test_a_file_that_is_no_mapping_says_so() -> None:
    assert tried("- a\n")[1] == ['flows/a.yaml:1:1: expected "key: value" lines, got a list; remove the dashes']
    assert "flows/a.yaml:1:4: a is a mapping with the keys client, port," in tried("a: x\n")[1][0]


def test_only_yaml_files_of_the_folder_are_read() -> None:
    file = File.of(b"a:\n  to: x@y\n  expect: refused\n")
    findings: list[Finding] = []
    assert read({"flows/x.txt": file, "flows/b/a.yaml": file, "mail.yaml": file}, "mx1", findings, Budget()).all == ()
    assert findings == []
