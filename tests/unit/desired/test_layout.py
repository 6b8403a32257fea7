"""Which file of a commit is what, and what was meant by a path that nothing reads."""

from __future__ import annotations

import pytest

from reconciler.desired.load import load
from tests.unit.commits import file_tree, load_commit, load_findings


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("tables/sasl_passwd", "plain-text-secret"),
        ("tables/main.cf", "invalid-table"),
        ("tables/x.pcrre", "invalid-table"),
        ("tables/a b", "invalid-table"),
        (f"tables/{'x' * 201}", "invalid-table"),
        ("tables/deep/er", "invalid-table"),
        ("tables/relay_passwd", "plain-text-secret"),
        ("tables/smtp_auth.texthash", "plain-text-secret"),
        ("tables/smtp_password_maps", "plain-text-secret"),
        ("secrets/smart_host", "plain-text-secret"),
        ("secrets/smart_host.txt", "plain-text-secret"),
        ("secrets/smart_host.age", "plain-text-secret"),
        ("secrets/recipient", "misplaced-file"),
        ("hosts/MX1.yaml", "misplaced-file"),
        ("master.d/a/b.cf", "misplaced-file"),
        ("master.d/extra.conf", "misplaced-file"),
        ("hosts/mx1.txt", "misplaced-file"),
    ],
)
def test_a_file_that_nothing_could_read_is_refused(path: str, rule: str) -> None:
    assert [one.rule for one in load_findings("hostname: a.b\n", {path: "hostname: a.b\n"})] == [rule]


def test_a_folder_with_a_slip_in_its_name_is_a_warning() -> None:
    desired = load(file_tree({"mail.yaml": "hostname: a.b\n", "table/x": "a b\n"}), "mx1", {})

    assert [(one.rule, one.severity.value) for one in desired.findings] == [("misplaced-file", "warning")]


def test_a_file_that_reconciler_writes_itself_is_a_warning() -> None:
    found = load_commit("hostname: a.b\n", **{"main.cf": "", "master.cf": "", "docs/main.cf": ""}).findings

    assert [(one.where.file, one.severity.value) for one in found] == [("main.cf", "warning"), ("master.cf", "warning")]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("virtual", "did you mean tables/virtual?"),
        ("transport.lmdb", "did you mean tables/transport?"),
        ("postfix/tls_policy", "did you mean tables/tls_policy?"),
        ("etc/postfix/main.cf", "reconciler writes main.cf"),
        ("submission.cf", "did you mean master.d/submission.cf"),
        ("virtual.md", ""),
        ("docs/virtual", ""),
        ("LICENSE", ""),
        (".github/workflows/check.yml", ""),
        ("notes.txt", ""),
        ("scripts/deploy.sh", 'nothing reads or deploys the folder "scripts"'),
        ("bounce.template", "what Postfix is to have belongs into files/"),
        ("access.yaml", 'nothing reads or deploys the file "access.yaml"'),
        ("file/x", "did you mean files?"),
        ("tables", 'nothing reads or deploys the file "tables"'),
    ],
)
def test_a_file_of_postfix_in_a_place_that_nothing_reads_is_a_warning(path: str, meant: str) -> None:
    found = load_commit("hostname: a.b\n", **{path: ""}).findings

    assert [meant in one.text for one in found] == ([True] if meant else [])


def test_a_secret_is_sealed_and_other_files_beside_it_are_for_people() -> None:
    sealed = {"secrets/a.age": "age-encryption.org/v1\n", "secrets/b.age": "-----BEGIN AGE ENCRYPTED FILE-----\n"}
    beside = {"secrets/recipients": "", "secrets/README.md": "", "secrets/.gitattributes": ""}

    assert load_commit("hostname: a.b\n", **sealed, **beside).findings == ()


def test_a_secret_in_plain_text_is_sealed_under_its_whole_name() -> None:
    (found,) = load_findings("hostname: a.b\n", {"secrets/mx.relay.age": "x\n"})

    assert found.rule == "plain-text-secret"
    assert "`reconciler secret set mx.relay`" in found.text


def test_a_folder_of_files_that_nothing_reads_is_one_warning() -> None:
    (found,) = load_commit("hostname: a.b\n", **{"ci/a": "", "ci/b": "", "ci/README.md": ""}).findings

    assert (found.rule, found.where.file) == ("misplaced-file", "ci/a")
