"""The folder files/: what goes where, and what can't go there."""

from __future__ import annotations

import pytest

from reconciler.desired import deployed
from reconciler.model import File, Secret
from tests.unit.commits import file_tree, load_commit, load_findings

SEALED = "age-encryption.org/v1\n-> X25519 x\n"


@pytest.mark.parametrize(
    ("path", "rule", "words"),
    [
        ("files/main.cf", "invalid-file", 'under "parameters:"'),
        ("files/main.cf/x", "invalid-file", 'under "parameters:"'),
        ("files/master.cf.age", "invalid-file", "master.d/NAME.cf"),
        ("files/dynamicmaps.cf.d/mysql", "invalid-file", "package"),
        ("files/virtual.lmdb", "invalid-file", "tables/virtual"),
        ("files/virtual.lmdb/x", "invalid-file", "tables/virtual"),
        ("files/sub/users.db", "invalid-file", "tables/users"),
        ("files/bounce.cf~", "invalid-file", "letters"),
        ("files/bounce.cf.bak", "invalid-file", "copy"),
        ("files/.hidden", "invalid-file", "no . at the beginning"),
        ("files/../../etc/passwd", "invalid-file", '".."'),
        ("files/a b", "invalid-file", "letters"),
        ("files/.age", "invalid-file", '"" in "files/.age"'),
        ("files/sasl/.age", "invalid-file", "letters"),
        (f"files/{'x' * 201}", "invalid-file", "letters"),
        ("files/sasl_passwd", "plain-text-secret", "files/sasl_passwd"),
        ("files/sasl/smtpd.conf.age", "plain-text-secret", "reconciler secret set files/sasl/smtpd.conf"),
    ],
)
def test_a_file_that_can_not_be_there_is_refused_with_the_reason(path: str, rule: str, words: str) -> None:
    found = load_findings("hostname: a.b\n", {path: "x\n"})

    assert [(one.rule, one.where.file) for one in found] == [(rule, path)]
    assert words in found[0].text


def test_the_same_file_sealed_and_plain_is_refused() -> None:
    (found,) = load_findings("hostname: a.b\n", {"files/x.cf": "a\n", "files/x.cf.age": SEALED})

    assert (found.rule, found.where.file, found.also and found.also.file) == (
        "ambiguous-file",
        "files/x.cf.age",
        "files/x.cf",
    )


def test_texts_for_people_stay_in_the_repository() -> None:
    files = {"files/README": "x", "files/sasl/notes.md": "x", "files/.gitkeep": "", "files/sasl/smtpd.conf": "a: b\n"}

    assert [one.path for one in deployed.read(file_tree(files), {}).all] == ["sasl/smtpd.conf"]
    assert not load_commit("hostname: a.b\n", **files).findings


def test_a_program_keeps_its_mode_and_a_sealed_file_its_bytes() -> None:
    files = {"files/bin/greylist": File.of(b"#!/bin/sh\n", 0o100755), "files/key.age": File.of(SEALED.encode())}
    opened = {"files/key": Secret("files/key", b"\xff\n".decode("utf-8", "surrogateescape"))}

    program, key = deployed.read(files, opened).all

    assert (program.path, program.is_program, program.is_sealed) == ("bin/greylist", True, False)
    assert (key.path, key.is_sealed, key.content) == ("key", True, b"\xff\n")
    assert deployed.sealed(files) == {"files/key": "files/key.age"}


def test_the_marks_of_a_merge_are_refused_and_a_line_of_equal_signs_is_not() -> None:
    assert not load_commit("hostname: a.b\n", **{"files/sasl/a.conf": "Title\n=======\n"}).findings
    marks = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n"

    assert [one.rule for one in load_findings("hostname: a.b\n", {"files/sasl/a.conf": marks})] == ["merge-marks"]


def test_a_secret_needed_by_a_sealed_file_is_needed() -> None:
    assert load_commit("hostname: a.b\n", **{"files/sasl/x.conf.age": SEALED}).needed == {"files/sasl/x.conf"}


def test_a_secret_whose_suffix_is_written_is_named_without_it() -> None:
    mail = "hostname: a.b\nsmart_host: {nexthop: a, username: u, password: !secret relay.age}\n"

    (absent,) = load_findings(mail)
    (there,) = load_findings(mail, {"secrets/relay.age": SEALED})

    assert "no secrets/relay.age in this commit" in absent.text
    assert "`reconciler secret set relay`; write !secret relay, without its suffix" in absent.text
    assert there.text.endswith('got "relay.age"; write !secret relay')
