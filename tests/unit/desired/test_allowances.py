"""``# allow RULE: reason``: where it holds, what it does, and what is said of one that does nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler import rehearsal
from reconciler.desired.allowances import STAGED, found_in
from reconciler.desired.explanations import explanations
from reconciler.desired.lint import lint, staged
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Desired, File, Finding, Where, error_at, errors_in, warning_at
from reconciler.model.errors import InvalidSource
from tests.unit.host_facts import HOST

MAIL = """\
hostname: mx.test.example
parameters:
  mydestination: mx.test.example, localhost
  virtual_alias_domains: v.example
  smtpd_relay_restrictions: permit_mynetworks, reject_unauth_destination
"""
TABLE = "info@v.example  root@mx.test.example\n"
WIDE = "  mynetworks: 0.0.0.0/0"


def loaded(mail: str, files: dict[str, str] | None = None) -> Desired:
    texts = {"mail.yaml": MAIL + mail, "tables/virtual": TABLE} | (files or {})
    return load({path: File.of(text.encode()) for path, text in texts.items()}, "mx.test.example", {})


def told(mail: str = "", files: dict[str, str] | None = None) -> list[Finding]:
    state = loaded(mail, files)
    return lint(state, HOST, compose(state, HOST))


def rules(mail: str = "", files: dict[str, str] | None = None) -> list[str]:
    return [finding.rule for finding in told(mail, files)]


@pytest.mark.parametrize(
    "mail",
    [
        f"{WIDE}  # allow open-relay: a closed network\n",
        f"{WIDE} #allow open-relay : a closed network\n",
        f"  # allow open-relay: a closed network\n{WIDE}\n",
        f"  # allow open-relay: a closed network\n  # and more of it\n{WIDE}\n",
        f"# allow open-relay: a closed network\r\n{WIDE}\r\n",
        '  mynetworks: "0.0.0.0/0"  # allow open-relay: a closed network',
    ],
)
def test_an_allowed_error_becomes_a_warning_that_quotes_the_reason(mail: str) -> None:
    (finding,) = told(mail)
    assert (finding.rule, finding.is_error) == ("open-relay", False)
    assert finding.text.endswith("(allowed: a closed network)")


def test_an_allowed_warning_is_no_longer_shown() -> None:
    two = "  smtpd_sender_restrictions: permit, reject"
    assert rules(f"{two}\n") == ["unreachable-restriction"]
    assert rules(f"{two}  # allow unreachable-restriction: as a reminder\n") == []


def test_it_holds_for_one_line_and_one_rule() -> None:
    assert rules(f"{WIDE}\n  # allow open-relay: elsewhere\n") == ["open-relay", "unused-allowance"]
    assert rules(f"  # allow open-relay: elsewhere\n\n{WIDE}\n") == ["unused-allowance", "open-relay"]
    assert rules(f"{WIDE}  # allow bad-network: another\n") == ["open-relay", "unused-allowance"]


@pytest.mark.parametrize("comment", ["allow open-relay", "allow open-relay:", "allow open-relay because"])
def test_without_a_reason_it_has_no_effect_and_is_told_of(comment: str) -> None:
    found = told(f"{WIDE}  # {comment}\n")
    assert sorted(finding.rule for finding in found) == ["bad-allowance", "open-relay"]
    assert len(errors_in(found)) == 1
    assert any("# allow open-relay: REASON" in finding.text for finding in found)


def test_an_unknown_rule_is_told_of_with_what_was_meant() -> None:
    (odd,) = (finding for finding in told(f"{WIDE}  # allow open-rely: x\n") if finding.rule == "bad-allowance")
    assert str(odd).startswith(f"mail.yaml:6:{len(WIDE) + 3}: warning:")
    assert odd.text.endswith("did you mean open-relay?")
    assert "bad-allowance" in rules("  # allow unused-allowance: x\n")
    assert "bad-allowance" in rules("  # allow master-died: x\n")


@pytest.mark.parametrize(
    "comment", ["# allow all of them", "# allow TLS: they need it", "#allowopen-relay: x", "# allow me"]
)
def test_prose_is_no_allowance(comment: str) -> None:
    assert rules(f"  {comment}\n") == []


def test_what_comes_and_goes_may_be_allowed_in_advance() -> None:
    assert rules("  # allow silent-server: it starts after us\n") == []


def test_what_is_in_a_value_is_no_comment() -> None:
    banner = '  smtpd_banner: "$myhostname # allow open-relay: x"\n'
    block = "  smtpd_client_restrictions: |\n    permit_mynetworks\n    # allow open-relay: x\n"
    assert rules(banner) == []
    with pytest.raises(InvalidSource):  # it would be a comment of Postfix's, which is refused anyway
        loaded(block)


def test_an_entry_is_allowed_from_the_line_above() -> None:
    table = "# allow bare-sender-domain: these are ours\n@localhost relaylim:\n@other relaylim:\n"
    (finding,) = told(files={"tables/sender_transport": table})
    assert finding.where.line == 3


def test_a_comment_between_the_lines_of_an_entry_breaks_nothing() -> None:
    table = "a@v.example\n# allow duplicate-entry: no effect here\n  root@mx.test.example\n"
    assert rules(files={"tables/virtual": table}) == ["unused-allowance"]


def test_in_a_table_a_comment_has_a_line_to_itself() -> None:
    table = "@localhost relaylim: # allow bare-sender-domain: part of the value\n"
    assert not list(found_in(table.encode(), "tables/x"))


def test_prose_beside_the_files_allows_nothing() -> None:
    text = "Write:\n\n    # allow no-such-rule: why\n"
    assert rules(files={"master.d/README.md": text, "tables/README": text}) == []


def test_a_service_is_allowed_from_the_line_above() -> None:
    service = "127.0.0.1:3399 inet n - n - - smtpd\n"
    (taken,) = told(files={"master.d/x.cf": service})
    assert (taken.rule, taken.is_error) == ("port-taken", True)
    (taken,) = told(files={"master.d/x.cf": f"# allow port-taken: it moves away tonight\n{service}"})
    assert not taken.is_error


SITE = "sites/site12/tables/sender_transport"
PIPE = "x unix - n n - - pipe user=vmail argv=/bin/true\n"


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        (SITE, "@localhost relaylim:\n", "bare-sender-domain"),
        ("master.d/site12-x.cf", PIPE, "site-service"),
        ("sites/site12/site.yaml", "delivery: {address: 203.0.113.9, helo: one.example}\n", "foreign-address"),
    ],
)
def test_in_a_sites_file_it_has_no_force_and_says_who_can_allow_it(path: str, text: str, rule: str) -> None:
    before = [finding for finding in told(files={path: text}) if finding.rule == rule]
    found = told(files={path: f"# allow {rule}: ours\n{text}"})
    after = [finding for finding in found if finding.rule == rule]
    assert [finding.severity for finding in after] == [finding.severity for finding in before]
    assert all(f"# allow {rule} in {path}: REASON" in finding.text for finding in errors_in(after))
    (powerless,) = (finding for finding in found if finding.rule == "site-allowance")
    assert (str(powerless.where), powerless.is_error) == (f"{path}:1:1", False)
    assert f'write "# allow {rule} in {path}: REASON" in mail.yaml' in powerless.text


def test_the_host_allows_a_rule_for_a_file_of_a_site_and_no_other() -> None:
    files = {"master.d/site12-x.cf": PIPE, "master.d/site13-x.cf": PIPE.replace("x ", "y ", 1)}
    comment = "  # allow site-service in master.d/site12-x.cf: the vacation program\n"
    services = [finding for finding in told(comment, files) if finding.rule == "site-service"]
    assert [(finding.where.file, finding.is_error) for finding in services] == [
        ("master.d/site12-x.cf", False), ("master.d/site13-x.cf", True)
    ]  # fmt: skip
    assert "(allowed: the vacation program)" in services[0].text
    assert "unused-allowance" in rules("  # allow site-service in master.d/site12-x.cf: x\n")


def test_a_site_allows_nothing_for_another_file_and_only_files_of_sites_are_named() -> None:
    site13 = {"sites/site13/site.yaml": "# allow site-service in master.d/site12-x.cf: we may\ndomains: []\n"}
    found = told(files={"master.d/site12-x.cf": PIPE} | site13)
    assert len([finding for finding in errors_in(found) if finding.rule == "site-service"]) == 1
    assert [finding.where.file for finding in found if finding.rule == "site-allowance"] == ["sites/site13/site.yaml"]
    host = told(f"{WIDE}  # allow open-relay in hosts/other.yaml: x\n")
    assert sorted(finding.rule for finding in host) == ["bad-allowance", "open-relay"]
    assert rules("  # allow them in sites/site12 and elsewhere\n") == []


def test_what_cannot_be_read_cannot_be_allowed() -> None:
    with pytest.raises(InvalidSource) as caught:
        loaded("unknwon: 1  # allow unknown-key: x\n")
    assert [finding.rule for finding in caught.value.findings] == ["unknown-key"]


def test_another_hosts_file_allows_nothing_here() -> None:
    files = {"hosts/other.yaml": "parameters:\n  mynetworks: 0.0.0.0/0  # allow open-relay: x\n"}
    assert rules(files=files) == []
    here = {"hosts/mx.test.example.yaml": "parameters:\n  mynetworks: 0.0.0.0/0  # allow open-relay: x\n"}
    (finding,) = told(files=here)
    assert not finding.is_error


def test_a_file_as_a_whole_is_allowed_in_its_first_line() -> None:
    files = {"tables/transports": "# allow unused-table: for later\nx.example relaylim:\n"}
    assert rules(files={"tables/transports": "x.example relaylim:\n"}) == ["unused-table"]
    assert rules(files=files) == []


LINE = len(MAIL.splitlines()) + 1
HERE = Where("mail.yaml", LINE, 17)


def after_staging(mail: str, *found: Finding) -> list[Finding]:
    state = loaded(mail)
    return staged(found, state, lint(state, HOST, compose(state, HOST)))


@pytest.mark.parametrize("rule", sorted(STAGED))
def test_a_finding_of_a_program_or_of_a_rehearsal_is_allowed_at_its_line(rule: str) -> None:
    line = f"  smtpd_banner: hi  # allow {rule}: it says this on Postfix 3.7\n"
    (finding,) = after_staging(line, error_at(rule, HERE, "it says something"))
    assert (finding.is_error, finding.text) == (False, "it says something (allowed: it says this on Postfix 3.7)")
    assert after_staging(line, warning_at(rule, HERE, "it says something")) == []
    (other,) = after_staging(line, error_at(rule, Where("mail.yaml", 2), "it says something"))
    assert other.is_error
    assert rule in explanations()
    assert told(line) == []  # lint() can't know whether the comment is of use


def test_every_finding_that_a_rehearsal_judges_can_be_allowed() -> None:
    written = re.compile(r'(?:\bfinding\(\s*|\brule=)"([a-z-]+)"')
    sources = [path.read_text(encoding="utf-8") for path in Path(*rehearsal.__path__).glob("*.py")]
    rules_of_rehearsals = {rule for source in sources for rule in written.findall(source)}
    assert {"master-fails", "login-as-another", "no-mail-in"} <= rules_of_rehearsals <= STAGED


def test_a_program_does_not_repeat_what_a_rule_has_told_and_a_person_has_allowed() -> None:
    line = "  smtpd_bannner: hi  # allow unknown-parameter: of a later Postfix\n"
    (finding,) = told(line)
    assert (finding.rule, finding.is_error) == ("unknown-parameter", False)
    unused = error_at("postconf", HERE, "unused parameter: smtpd_bannner=hi", "smtpd_bannner")
    assert after_staging(line, unused) == []
    assert after_staging(line, error_at("postconf", HERE, "something else", "other")) != []
    assert after_staging("  smtpd_bannner: hi\n", unused) == [unused]


def test_what_is_written_nowhere_is_told_where_a_person_would_write_it() -> None:
    nowhere = error_at("postconf", Where("mail.yaml"), "a default is wrong")
    assert [str(one.where) for one in after_staging("", nowhere)] == ["mail.yaml:2:1"]
    assert after_staging("", error_at("postconf", HERE, "x"))[0].where == HERE
    stock = {"master.d/x.cf": "[::]:25 inet n - n - - smtpd\n"}
    assert all(
        str(finding.where) != "mail.yaml:1:1" and "mail.yaml:1:1" not in finding.text for finding in told("", stock)
    )
    assert told("", stock)


@pytest.mark.parametrize(
    ("rule", "file"),
    [("unused-file", "files/notes.cf"), ("misplaced-file", "scripts/deploy"), ("misplaced-file", "Makefile")],
)
def test_what_is_found_in_a_file_without_comments_is_allowed_in_mail_yaml(rule: str, file: str) -> None:
    allowed = f"  # allow {rule} in {file}: another program reads it\n"

    assert [one.rule for one in told("", {file: "x\n"})] == [rule]
    assert told(allowed, {file: "x\n"}) == []
    assert [one.rule for one in told(allowed)] == ["unused-allowance"]


def test_a_file_that_may_have_comments_is_not_named() -> None:
    (found,) = told("  # allow open-relay in mail.yaml: we may\n")

    assert found.rule == "bad-allowance"
    assert "mail.yaml may have comments" in found.text
