"""Files of the commit in Postfix's folder: modes, owners, and what is wrong about them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Secret
from reconciler.trees.render import render
from tests.unit.commits import file_tree, load_findings
from tests.unit.desired_states import HEALTHY, desired, findings_of, linted, only_finding
from tests.unit.host_facts import HOST

BOUNCE = {"files/bounce.cf": "failure_template = <<EOF\n"}
NAMED = {"bounce_template_file": "$config_directory/bounce.cf"}


def stated(rights: dict[str, object], parameters: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    """The files of a healthy state with a section `files`."""
    mail = {"hostname": "mx.test.example", "parameters": HEALTHY | parameters, "files": rights}
    return {**files, "mail.yaml": json.dumps(mail, indent=1)}


GROUPS = replace(HOST, groups=frozenset({"root", "postfix"}))


def test_a_file_goes_into_the_tree_byte_for_byte_with_its_mode_and_owner() -> None:
    rights: dict[str, object] = {"bounce.cf": {"mode": "0640", "owner": "root:postfix"}}
    state = desired({}, stated(rights, NAMED, {**BOUNCE, "files/sasl/smtpd.conf": "a: b"}))

    tree = render(compose(state, HOST), {})

    assert (tree["bounce.cf"].mode, tree["bounce.cf"].owner) == (0o640, "root:postfix")
    assert tree["sasl/smtpd.conf"].read() == b"a: b"
    assert (tree["sasl/smtpd.conf"].mode, tree["sasl/smtpd.conf"].owner) == (0o644, "root:root")


@pytest.mark.parametrize(
    ("rights", "rule", "words"),
    [
        ("{mode: '0666'}", "invalid-mode", "0644"),
        ("{mode: '0664'}", "invalid-mode", "0644"),
        ("{mode: '4755'}", "invalid-mode", "setuid"),
        ("{mode: rw-r--r--}", "invalid-mode", "0644"),
        ("{mode: '0044'}", "invalid-mode", "0444"),
        ("{owner: postfix}", "invalid-owner", "root:GROUP"),
        ("{owner: 'vmail:vmail'}", "invalid-owner", "owner: root:vmail and mode: 0640"),
        ("{group: postfix}", "unknown-key", "group"),
    ],
)
def test_rights_that_a_file_can_not_have_are_refused_with_those_to_write(rights: str, rule: str, words: str) -> None:
    (found,) = load_findings(f"hostname: a.b\nfiles:\n  bounce.cf: {rights}\n", BOUNCE)

    assert (found.rule, found.where.file, found.where.line) == (rule, "mail.yaml", 3)
    assert words in found.text


def test_an_unquoted_mode_is_read_as_it_is_written() -> None:
    mail = "hostname: a.b\nfiles:\n  sasl/x.conf: {mode: 0600}\n"
    state = load(file_tree({"mail.yaml": mail, "files/sasl/x.conf": "a: b\n"}), "mx1", {})

    assert compose(state, HOST).files["sasl/x.conf"].mode == 0o600


@pytest.mark.parametrize("path", ["bounce", "files/bounce.cf", "bounce.cf.age"])
def test_rights_of_a_file_that_is_not_there_name_the_one_that_was_meant(path: str) -> None:
    files = stated({path: {"mode": "0644"}}, NAMED, BOUNCE)
    assert "did you mean bounce.cf?" in only_finding("unknown-file", {}, files)


def test_a_file_in_the_place_of_a_table_is_refused() -> None:
    for path in ("files/virtual", "files/virtual/x"):
        (found,) = findings_of("ambiguous-file", {}, {path: "x\n"})
        assert (found.is_error, found.where.file, found.also and found.also.file) == (True, path, "tables/virtual")
        assert "would become virtual;" in found.text


@pytest.mark.parametrize("other", ["files/a", "files/a.age", "files/a/b", "tables/a.sqlite"])
def test_a_file_in_the_place_of_a_folder_is_refused(other: str) -> None:
    content = "dbpath = /srv/x.db\nquery = SELECT 1\n" if "sqlite" in other else "age-encryption.org/v1\nx\n"
    sealed = {"files/a": Secret("files/a", "x\n")}
    mail = json.dumps({"hostname": "mx.test.example", "parameters": HEALTHY})
    files = file_tree({"mail.yaml": mail, other: content, "files/a/b/c.txt": "x\n"})

    (found,) = [one for one in linted(load(files, "mx.test.example", sealed)) if one.rule == "ambiguous-file"]

    assert (found.is_error, found.where.file, found.also and found.also.file) == (True, "files/a/b/c.txt", other)


def test_a_group_that_is_not_there_is_refused_for_now() -> None:
    files = stated({"bounce.cf": {"owner": "root:mail"}}, NAMED, BOUNCE)
    (found,) = findings_of("unknown-group", {}, files, GROUPS)

    assert (found.is_error, found.lasting, found.where.file) == (True, False, "mail.yaml")
    assert not found.excusable  # a live file has its group
    known = stated({"bounce.cf": {"owner": "root:postfix"}}, NAMED, BOUNCE)
    assert not findings_of("unknown-group", {}, known, GROUPS)
    assert not findings_of("unknown-group", {}, files, HOST)  # its groups are unknown


def test_a_file_that_nothing_names_is_a_warning_with_the_way_to_name_it() -> None:
    (found,) = findings_of("unused-file", {}, BOUNCE)

    assert (found.is_error, found.where.file) == (False, "files/bounce.cf")
    assert "bounce_template_file as $config_directory/bounce.cf" in found.text
    (placed,) = findings_of("unused-file", {}, stated({"bounce.cf": {}}, {}, BOUNCE))
    assert placed.where.file == "mail.yaml"  # where it can be allowed


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        (NAMED, BOUNCE),
        ({"smtp_tls_CApath": "/etc/postfix/ca"}, {"files/ca/one.pem": "x\n"}),
        ({}, {"files/sasl/smtpd.conf": "x: y\n"}),
        ({}, {"files/team": "ada@a.test\n", "tables/aliases": "team: :include:/etc/postfix/team\n"}),
        ({}, {"files/g.py": "x\n", "master.d/p.cf": "p unix - n n - - spawn user=vmail argv=/etc/postfix/g.py\n"}),
        (NAMED, {**BOUNCE, "files/footer.txt": "x\n", "files/bounce.cf": "see footer.txt.\n"}),
    ],
)  # fmt: skip
def test_a_file_that_something_names_is_none(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert not findings_of("unused-file", parameters, files)


@pytest.mark.parametrize("value", ["$config_directory/domains", "/etc/postfix/domains"])
def test_a_list_of_domains_may_be_a_file(value: str) -> None:
    missing = replace(HOST, files={**HOST.files, "/etc/postfix/domains": False})
    listed = {"mydestination": f"mx.test.example, localhost, {value}"}
    files = {"files/domains": "a.test\nb.test\n"}

    assert not [one for one in linted(desired(listed, files), missing) if one.is_error]
    assert [one.rule for one in linted(desired(listed), missing) if one.is_error] == ["missing-file"]


LINK = "/etc/policyd/rules.conf"
ALLOWING = replace(HOST, folders=("/etc/policyd",))


def test_a_file_has_the_link_that_the_section_gives_it_and_needs_no_setting_to_name_it() -> None:
    files = stated({"rules.conf": {"link": LINK}}, {}, {"files/rules.conf": "x\n"})
    state = desired({}, files)

    assert render(compose(state, HOST), {})["rules.conf"].link == LINK
    assert linted(state, ALLOWING) == linted(desired({}, stated({}, {}, {})), ALLOWING)


@pytest.mark.parametrize("folders", [(), ("/etc/policy", "/etc/policyd/more", "/etc")])
def test_a_link_in_a_folder_that_the_settings_do_not_allow_is_refused_for_now(folders: tuple[str, ...]) -> None:
    files = stated({"rules.conf": {"link": LINK}}, {}, {"files/rules.conf": "x\n"})

    (found,) = findings_of("folder-not-allowed", {}, files, replace(HOST, folders=folders))

    assert (found.is_error, found.lasting, found.excusable) == (True, False, False)
    assert (found.where.file, "files.folders" in found.text, "/etc/policyd" in found.text) == ("mail.yaml", True, True)


@pytest.mark.parametrize(
    "link", ["rules.conf", "/rules.conf", "/etc/../x", "/etc/policyd/", "/etc//x", "/etc/.x", "/etc/a b", "/etc/x/./y"]
)
def test_a_link_that_is_no_plain_absolute_path_is_refused(link: str) -> None:
    (found,) = load_findings(f"hostname: a.b\nfiles:\n  bounce.cf: {{link: '{link}'}}\n", BOUNCE)

    assert (found.rule, found.where.line) == ("invalid-link", 3)


def test_two_files_can_not_have_one_link() -> None:
    both = {"files/a.conf": "x\n", "files/b.conf": "y\n"}
    files = stated({"a.conf": {"link": LINK}, "b.conf": {"link": LINK}}, {}, both)

    (found,) = findings_of("ambiguous-file", {}, files, ALLOWING)

    assert "files/a.conf and files/b.conf have the link /etc/policyd/rules.conf" in found.text
    assert found.also
