"""Patterns of tables, tried on texts."""

from __future__ import annotations

import pytest

from reconciler.model import Table
from reconciler.postfix.patterns import first_match, matches, takes_all


def table(source: str, kind: str = "regexp") -> Table:
    return Table(name="t", type=kind, source=source.encode(), file="tables/t.regexp")


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        ("/@B\\.example$/", "a@b.example", True),
        ("/@B\\.example$/i", "a@b.example", False),  # the flag toggles the folding of case
        ("!/@b\\.example$/", "a@b.example", False),
        ("!/@b\\.example$/", "a@c.example", True),
        ("/(/", "(", False),
        ("/^[[:alnum:]+/]{3,}@[^[:space:]]+$/", "ada@b.example", True),
        ("/^[[:digit:]]+@/", "ada@b.example", False),
        ("/^[a[]/", "[", True),
        ("/^[^]&&||]+$/", "a&b", False),
        ("/^\\[127\\.[0-9.]+\\]$/", "[127.0.0.1]", True),
    ],
)
def test_a_pattern_matches_as_postfix_reads_it(key: str, text: str, *, found: bool) -> None:
    assert matches(key, text) is found


def test_the_first_entry_that_matches_answers() -> None:
    rows = "/^a@/ one\n/@/ two\n"
    answers = [entry.value if (entry := first_match(table(rows), text)) else None for text in ("a@b", "c@d", "e")]
    assert answers == ["one", "two", None]
    assert first_match(table("if /a/\n/a/ one\nendif\n"), "a") is None
    assert first_match(table("a one\n", "lmdb"), "a") is None


def test_an_entry_takes_all_if_it_answers_for_each_of_them() -> None:
    assert takes_all(table("/^a@/ one\n/@/ two\n"), ["b@c", "d@e"]) is not None
    assert takes_all(table("/^a@/ one\n/@/ two\n"), ["a@c", "d@e"]) is None
    assert takes_all(table("* one\n", "static"), ["a", "b"]) is not None
    assert takes_all(table("/^a@/ one\n"), ["b@c", "d@e"]) is None
