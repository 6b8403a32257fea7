"""The options of thousands of services are made when they are asked for, and are the same as those made at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import Parameter, Where
from reconciler.postfix.plain_options import PlainOptions, packed, plain_options
from reconciler.postfix.syntax import read_master

OPTIONS = ["    -o smtp_helo_name=a.test", "\t-o  smtp_bind_address=192.0.2.1 ", "  -o syslog_name="]


def made(lines: list[tuple[int, str]], *, later: bool) -> Any:  # noqa: ANN401 - options, whatever they are made of
    return plain_options(lines, "master.cf", "site1-out", later=later)


def test_they_are_the_same_whenever_they_are_made() -> None:
    lines = list(enumerate(OPTIONS, 7))
    now, later = made(lines, later=False), made(lines, later=True)
    assert now == (
        Parameter("smtp_helo_name", "a.test", Where("master.cf", 7, 8), "site1-out"),
        Parameter("smtp_bind_address", "192.0.2.1", Where("master.cf", 8, 6), "site1-out"),
        Parameter("syslog_name", "", Where("master.cf", 9, 6), "site1-out"),
    )
    assert isinstance(later, PlainOptions)
    assert tuple(later) == now
    assert later == now
    assert now == later
    assert (hash(later), repr(later), len(later)) == (hash(now), repr(now), 3)
    assert (later[1], later[1:], later[0] in later) == (now[1], now[1:], True)
    assert later == made(lines, later=True) != made(list(enumerate(OPTIONS, 8)), later=True)


def test_those_that_a_feature_makes_are_packed_unless_they_differ_in_file_or_section() -> None:
    helo = Parameter("smtp_helo_name", "a.test", Where("sites/site1/site.yaml", 4, 7), "site1-out")
    tag = Parameter("syslog_name", "postfix/site1-out", Where("sites/site1/site.yaml", 3, 3), "site1-out")
    later = packed([helo, tag])
    assert isinstance(later, PlainOptions)
    assert tuple(later) == (helo, tag)
    for other in (replace(tag, section=""), replace(tag, where=Where("mail.yaml", 3, 3)), replace(tag, value="a\nb")):
        assert packed([helo, other]) == (helo, other)
    assert packed([]) == ()


@pytest.mark.parametrize("option", ["    -o a={b c}", "    -v", "    -o a = b", "    -o a=b c"])
def test_another_form_is_left_to_others(option: str) -> None:
    assert made([(2, OPTIONS[0]), (3, option)], later=True) is None


def test_with_a_comment_between_them_each_has_its_line() -> None:
    lines = [(2, OPTIONS[0]), (4, OPTIONS[1])]
    assert made(lines, later=True) == made(lines, later=False)
    assert made([], later=True) == ()


def test_what_a_master_cf_says_does_not_depend_on_its_name() -> None:
    rows = [f"s{number} unix - - n - - smtp\n" + "".join(f"{one}\n" for one in OPTIONS) for number in range(3)]
    text = rows[0] + "# a comment\n" + rows[1] + "x unix - - n - - smtp -o a=b\n" + rows[2].replace("\n\t", "\n# c\n\t")
    (live, _), (own, _) = read_master(text, "master.cf"), read_master(text, "master.d/x.cf")
    assert [(one.key, list(map(str, map(where_of, one.overrides)))) for one in live] == [
        (one.key, [str(where_of(option)).replace("master.d/x.cf", "master.cf") for option in one.overrides])
        for one in own
    ]
    assert [one.options for one in live] == [one.options for one in own]


def where_of(option: Parameter) -> Where:
    return option.where
