"""One value of a YAML text changes, and every other byte stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.yaml_editor import drop, put, scalar
from reconciler.desired.yaml_reader import read
from reconciler.model import File

TEXT = """\
# first
a: 1   # one
b:
    c: 'two'  # two

    d: |
      long
      text
    # last of b
e: {f: g}
"""


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (("a",), "a: 1   #", "a: Z   #"),
        (("b", "c"), "'two'", "Z"),
        (("b", "d"), "|\n      long\n      text\n", "Z\n"),
        (("b", "x"), "text\n", "text\n    x: Z\n"),
        (("b", "x", "y"), "text\n", "text\n    x: {y: Z}\n"),
        (("e", "f"), "{f: g}", "{f: Z}"),
        (("e", "[x]"), "{f: g}", "{f: g, '[x]': Z}"),
        (("n", "o", "p"), "{f: g}\n", "{f: g}\nn:\n  o: {p: Z}\n"),
    ],
)
def test_put_changes_one_place(path: tuple[str, ...], old: str, new: str) -> None:
    assert put(TEXT, path, "Z") == TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "made"),
    [("", "a:\n  b: Z\n"), ("# c", "# c\na:\n  b: Z\n"), ("a: {}\n", "a: {b: Z}\n"), ("x: y", "x: y\na:\n  b: Z\n")],
)
def test_put_makes_what_is_missing(text: str, made: str) -> None:
    assert put(text, ("a", "b"), "Z") == made


@pytest.mark.parametrize(
    ("path", "gone"),
    [(("a",), "a: 1   # one\n"), (("b", "c"), "    c: 'two'  # two\n"), (("e",), "e: {f: g}\n")],
)
def test_drop_takes_whole_lines(path: tuple[str, ...], gone: str) -> None:
    assert drop(TEXT, path) == TEXT.replace(gone, "")


def test_the_last_key_takes_its_mapping_along() -> None:
    assert drop("a: 1\nb:\n  c: 2\n", ("b", "c")) == "a: 1\n"


@pytest.mark.parametrize("path", [("e", "f"), ("nothing",), ("a", "b")])
def test_what_can_not_be_taken_away_is_an_error(path: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="can't be removed"):
        drop(TEXT, path)


def test_bad_yaml_is_an_error() -> None:
    with pytest.raises(ValueError, match="while"):
        put("a: [", ("b",), "c")


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cn")), max_size=20))
def test_a_scalar_reads_back_as_itself(value: str) -> None:
    try:
        raw = scalar(value)
    except ValueError:
        return
    assert read("f", File.of(f"k: {raw}\n".encode()), []).value == {"k": value}


@pytest.mark.parametrize(
    "value", ["", "yes", "true", "null", "~", "010", "a: b", "# a", "it's", "[x]:25", "{", "é", "!x"]
)
def test_every_plain_text_has_a_scalar(value: str) -> None:
    assert read("f", File.of(f"k: {scalar(value)}\n".encode()), []).value == {"k": value}
