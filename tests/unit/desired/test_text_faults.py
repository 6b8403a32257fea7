"""A file is judged as its author meant it, and each fault of its text is told once; corpus/mistakes.yaml has more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.desired import yaml_memory
from reconciler.desired.budget import Budget
from reconciler.desired.text_faults import clean
from reconciler.model import File, Finding


def cleaned(path: str, content: bytes) -> tuple[bytes, list[str]]:
    files, findings = clean({path: File.of(content)})
    return files[path].read(), [f"{one.where} {one.text}" for one in findings]


@pytest.mark.parametrize(
    ("path", "content", "meant"),
    [
        ("mail.yaml", "a:\xa0b\n", b"a: b\n"),
        ("mail.yaml", "a: \u201cb\u201d\n", b'a: "b"\n'),
        ("mail.yaml", "a: {b: \u201cc\u201d, d: \u2018e\u2019}\n", None),
        ("mail.yaml", "a: b\u200b\n", b"a: b\n"),
        ("hosts/mx.yaml", "\xa0\xa0a: b\n", b"  a: b\n"),
        ("tables/virtual", "a@b\xa0c@d\n", b"a@b c@d\n"),
        ("sites/site1/tables/virtual", "a@b \xa0c@d\n", b"a@b  c@d\n"),
        ("master.d/x.cf", "a unix - - n - - smtp\n  \u2013o b=c\n", b"a unix - - n - - smtp\n  -o b=c\n"),
        ("flows/a.yaml", "\xa0 a: b\n", b"  a: b\n"),
    ],
)
def test_characters_that_look_like_others_are_told_and_replaced(path: str, content: str, meant: bytes | None) -> None:
    after, told = cleaned(path, content.encode())

    assert len(told) == 1
    assert meant is None or after == meant


def test_a_fault_on_many_lines_is_one_finding_that_counts_them() -> None:
    _, [told] = cleaned("mail.yaml", "a:\xa0b\nc:\xa0d\ne:\xa0f\n".encode())

    assert told.startswith("mail.yaml:1:3 ")
    assert told.endswith("(and 2 more lines of the kind)")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("mail.yaml", "# a\xa0\u201cb\u201d\na: b  # \xa0\n"),
        ("mail.yaml", "parameters:\n  smtpd_banner: x\xa0y\n"),
        ("tables/senders", "a.example REJECT x\xa0y \u2013 \u201cz\u201d\n"),
        ("tables/headers.pcre", "/\xa0/ REJECT\n"),
        ("tables/senders", "# =======\n#<<<<<<< a\n"),
        ("README.md", "<<<<<<< a\n\xa0"),
        ("sites/site1/README.md", "\xff\xfea"),
        ("master.d/x.cf", "# \xa0\na unix - - n - - pipe argv=/bin/x \u2013\u2013y\n"),
    ],
)
def test_text_for_people_may_have_any_character(path: str, content: str) -> None:
    assert cleaned(path, content.encode()) == (content.encode(), [])


@pytest.mark.parametrize("mark", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_told_and_read(mark: str) -> None:
    after, [told] = cleaned("tables/virtual", "a@b c@d\n".encode(mark))

    assert after.decode() == "a@b c@d\n"
    assert "save it as UTF-8" in told


def test_of_a_conflict_one_side_is_read_at_its_lines() -> None:
    text = b"a: 1\n<<<<<<< HEAD\nb: 2\n||||||| base\nb: 0\n=======\nb: 3\n>>>>>>> x\nc: 4\n"

    after, [told] = cleaned("mail.yaml", text)

    assert after == b"a: 1\n\nb: 2\n\n\n\n\n\nc: 4\n"
    assert told.startswith("mail.yaml:2:1 a merge left its marks in lines 2, 4, 6, 8;")


def test_files_without_faults_are_the_same_value_and_small_ones_are_read_once() -> None:
    files = {"mail.yaml": File.of(b"a: b\n"), "tables/virtual": File.of("ä@b c@d\n".encode())}
    times: list[str] = []

    def read() -> bytes:
        times.append("once")
        return b"a: b\n"

    files["mail.yaml"] = replace(files["mail.yaml"], read=read)
    cleaned, found = clean(files)
    assert (cleaned, found) == (files, [])
    assert [cleaned["mail.yaml"].read() for _ in range(3)] == [b"a: b\n"] * 3
    assert times == ["once"]


def test_a_site_that_was_read_as_yaml_is_not_looked_at_again_and_a_table_of_the_same_bytes_is() -> None:
    text = "a: one-that-is-in-no-other-test\n"
    file, findings = File.of(text.encode()), list[Finding]()
    yaml_memory.read("sites/site1/site.yaml", file, findings, Budget())
    assert findings == []
    read: list[str] = []

    def reading() -> bytes:
        read.append("again")
        return text.encode()

    watched = replace(file, read=reading)
    clean({"sites/site2/site.yaml": watched})
    assert read == []
    clean({"tables/virtual": watched})
    assert read == ["again"]
