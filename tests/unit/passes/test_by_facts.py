"""A commit's files judged by the facts of another host."""

from __future__ import annotations

import pytest

from reconciler.commands.edges import templates
from reconciler.model import File
from reconciler.model.errors import InvalidSource
from reconciler.passes.by_facts import JudgedFiles, judge_files
from tests.unit.host_facts import HOST, facts

MAIL = """\
hostname: mx.test.example
parameters:
  mydestination: mx.test.example, localhost
  smtpd_tls_cert_file: /etc/ssl/mx.pem
"""


def judged(texts: dict[str, str], **changes: object) -> JudgedFiles:
    tree = {path: File.of(text.encode()) for path, text in texts.items()}
    return judge_files(tree, facts(**changes), templates())


def rules_of(result: JudgedFiles) -> set[str]:
    return {finding.rule for finding in result.findings if finding.is_error}


def test_the_rules_judge_by_the_facts_and_name_what_they_lack() -> None:
    result = judged({"mail.yaml": MAIL})

    assert rules_of(result) == set()
    assert "/etc/ssl/mx.pem" in result.unknown
    assert judged({"mail.yaml": MAIL}, files={"/etc/ssl/mx.pem": False}).findings != result.findings


def test_what_another_postfix_does_not_know_is_an_error_there_alone() -> None:
    mail = MAIL + "  smtp_bind_address_enforce: yes\n"
    old = {name: value for name, value in HOST.parameters.items() if name != "smtp_bind_address_enforce"}

    assert rules_of(judged({"mail.yaml": mail})) == set()
    assert rules_of(judged({"mail.yaml": mail}, parameters=old)) == {"unknown-parameter"}


def test_the_file_of_the_host_counts_and_its_flows() -> None:
    flow = "a:\n  to: postmaster@mx.test.example\n  expect: accepted\n  hosts: [mx.test.example]\n"
    files = {"mail.yaml": MAIL, "flows/a.yaml": flow, "hosts/mx2.example.com.yaml": "parameters: {nosuch_name: a}\n"}

    assert (rules_of(judged(files)), judged(files).understood.flows) == (set(), 1)
    assert rules_of(judged(files, host="mx2.example.com")) == {"unknown-parameter"}
    assert judged(files, host="mx2.example.com").understood.flows == 0


def test_a_sealed_secret_is_no_finding() -> None:
    files = {
        "mail.yaml": MAIL
        + 'smart_host: {nexthop: "[mail.relay.example]:587", username: ada, password: !secret relay}\n',
        "secrets/relay.age": "-----BEGIN AGE ENCRYPTED FILE-----\n",
    }
    assert rules_of(judged(files)) == set()


def test_files_that_cannot_be_read_are_refused_as_on_the_host() -> None:
    with pytest.raises(InvalidSource, match="unknown key"):
        judged({"mail.yaml": MAIL + "parametres: {}\n"})
