"""A slip in YAML is put right as its finding says; corpus/mistakes.yaml has one of each kind."""

from __future__ import annotations

import pytest

from reconciler.desired import yaml_reader
from reconciler.desired.yaml_slips import may_hide
from reconciler.model import File, Finding


def read(text: str) -> tuple[object, list[str]]:
    findings: list[Finding] = []
    document = yaml_reader.read("mail.yaml", File.of(text.encode()), findings)
    return document.value, [f"{one.where.line}:{one.where.column}" for one in findings]


@pytest.mark.parametrize(
    ("text", "meant", "places"),
    [
        ("p:\n  a = b\n  c=d\n", {"p": {"a": "b", "c": "d"}}, ["2:3"]),
        ("p:\n  a: b\n    c = d\n", {"p": {"a": "b", "c": "d"}}, ["3:5"]),
        ("p:\n  a:b\n  c: d\n", {"p": {"a": "b", "c": "d"}}, ["2:3"]),
        ("p:\n  a: b,\n  c\n  d: e\n", {"p": {"a": "b,", "d": "e"}}, ["3:3"]),
        ("p:\n  a: b\n; c\n  // d\n  e: f\n", {"p": {"a": "b", "e": "f"}}, ["3:1", "4:3"]),
        ('p:\n  a: b\n  "c: d"\n', {"p": {"a": "b", "c": "d"}}, ["3:3"]),
        ("p:\n  a: b\n  - c: d\n", {"p": {"a": "b", "c": "d"}}, ["3:3"]),
        ("p: {a: b}\n}\nc: d\n", {"p": {"a": "b"}, "c": "d"}, ["2:1"]),
        ("p: - a\nq: r\n", {"p": "a", "q": "r"}, ["1:4"]),
        ("p: {{ a }}.b\nq: r\n", {"p": "{{ a }}.b", "q": "r"}, ["1:4"]),
        ("p: {a: b\nc: d\n", {"p": {"a": "b"}, "c": "d"}, ["1:4"]),
        ("p: [a, b  # why\nc: d\n", {"p": ["a", "b"], "c": "d"}, ["1:4"]),
        ('p: "a\nc: d\n', {"p": "a", "c": "d"}, ["1:4"]),
        ('p: "a\nc: "d"\n', {"p": "a", "c": "d"}, ["1:4"]),
        ('p: "a", "b"\nc: d\n', {"p": "a, b", "c": "d"}, ["1:4"]),
        ("p:\n  a: b\n    c: d\n    e: f\n", {"p": {"a": "b", "c": "d", "e": "f"}}, ["3:5"]),
        ("p:\n  a: b\n c: d\n", {"p": {"a": "b", "c": "d"}}, ["3:2"]),
        ("p:\n\ta: b\n\tc: d\nq: r\n", {"p": {"a": "b", "c": "d"}, "q": "r"}, ["2:1"]),
        ("p: a, \\\n  b, \\\n  c\n", {"p": "a, b, c"}, ["1:7"]),
        ("p: *.a\nq: @b\nr: !c\n", {"p": "*.a", "q": "@b", "r": "!c"}, ["1:4", "2:4", "3:4"]),
        ("p: [h]:25\nq: r\n", {"p": "[h]:25", "q": "r"}, ["1:4"]),
        ("p: 1\np: 2\nq: 3\n", {"p": "1", "q": "3"}, ["2:1"]),
        ("p: {a: 1}\np: {b: 2}\n", {"p": {"a": "1", "b": "2"}}, ["2:1"]),
        ("p: x\np: {b: {c: d}}\n", {"p": "x"}, ["2:1"]),
        ("p: {a: x}\np: {a: {b: c}, d: [e]}\n", {"p": {"a": "x", "d": ["e"]}}, ["2:1"]),
        ("p: [{a: b}]\np: [x, {a: {b: c}}, z]\n", {"p": [{"a": "b"}]}, ["2:1"]),
    ],
)  # fmt: skip
def test_what_follows_a_slip_is_read_as_it_was_meant(text: str, meant: object, places: list[str]) -> None:
    assert read(text) == (meant, places)


@pytest.mark.parametrize(
    "text",
    [
        "p:\n  a:\n    b=c, d = e\n",
        "p: |\n  a = b\n  c \\\n",
        'p: "a\n  b = c"\n',
        "p: a\n  b=c\n",
        "p:\n  a: $b = c\n",
        "p: {a: [b,\n  c], d: e\n  }\n",
        "p:\n- a\n- b\n",
    ],
)
def test_what_is_well_written_stays(text: str) -> None:
    assert read(text)[1] == []


def test_of_a_slip_that_is_not_understood_nothing_is_read() -> None:
    assert read("a: b\n*\nc = d\n") == ({}, ["2:2"])


@pytest.mark.parametrize("text", ["  password = hunter2\n", "  password:hunter2\n", "  a = password hunter2\n"])
def test_what_may_be_a_password_is_never_repeated(text: str) -> None:
    findings: list[Finding] = []
    yaml_reader.read("mail.yaml", File.of(f"smart_host:\n  b: c\n{text}".encode()), findings)

    assert findings
    assert "hunter2" not in " ".join(one.text for one in findings)


def test_a_text_without_signs_costs_nothing() -> None:
    assert not may_hide("a: b\n# c = d\n")
