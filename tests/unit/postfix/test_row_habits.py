"""Rows in the habits of other files are told with the row that was meant."""

from __future__ import annotations

import pytest

from reconciler.model import Table
from reconciler.postfix.row_habits import likely_row, odd_rows


def table(text: str, kind: str = "lmdb", compiler: str = "postmap") -> Table:
    return Table(name="t", type=kind, source=text.encode(), file="tables/t", compiler=compiler)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a@b = c@d\n", [1]),
        ("# x\na@b\t=\tc@d\ne@f -> g@h\n", [2, 3]),
        ("a@b => c@d\r\n", [1]),
        ("a@b c@d, \\\n  e@f\n", [1]),
        ("a@b c@d \\ \n", [1]),
        ("a@b  REJECT x = y\n", []),
        ("a@b  REJECT x \\ y\n# \\\n", []),
        ("a@b  c\\\n", []),
    ],
)
def test_a_sign_or_a_backslash_is_not_part_of_a_value(text: str, lines: list[int]) -> None:
    assert [one.where.line for one in odd_rows(table(text))] == lines


def test_the_results_of_patterns_are_free_text() -> None:
    assert list(odd_rows(table("/a/ = b\n", "pcre", ""))) == []


@pytest.mark.parametrize(
    ("text", "of", "meant"),
    [
        ("a@b=c@d", table(""), "; put a blank between them: a@b c@d"),
        ("a@b,c@d", table(""), "; put a blank between them: a@b c@d"),
        ("a@b", table(""), ""),
        ("root bob", table("", compiler="postalias"), "; write root: bob"),
        ("root = bob, eve", table("", compiler="postalias"), "; write root: bob, eve"),
        ("^Subject: x REJECT y", table("", "pcre", ""), "; a pattern stands between slashes: /^Subject: x/ REJECT y"),
        ("/^Subject: x REJECT y", table("", "pcre", ""), ""),
    ],
)
def test_a_row_without_a_value_may_show_what_was_meant(text: str, of: Table, meant: str) -> None:
    assert likely_row(of, text) == meant
