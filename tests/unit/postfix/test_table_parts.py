"""A large table in parts: what is found in them is what is found in the whole, and one edit makes few parts anew."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model import Table
from reconciler.model.past import Past
from reconciler.model.postfix import Unread
from reconciler.postfix import table_parts
from reconciler.postfix.row_habits import odd_rows
from reconciler.postfix.table_parts import (
    beginning,
    begins_a_line,
    each,
    entry_count,
    findings_in,
    holds,
    is_plain_throughout,
    longest_line,
    mentions,
    parts_of,
    search,
    texts,
)
from reconciler.postfix.tables import Entries, count_entries, is_plain, read_table

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from reconciler.model import Finding


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut tables of a few lines."""
    monkeypatch.setattr(table_parts, "SMALLEST", 200)
    monkeypatch.setattr(table_parts, "_SIZE", 100)
    monkeypatch.setattr(table_parts, "_NEAR", 1600)
    monkeypatch.setattr(table_parts, "_cuts", Past(32))
    monkeypatch.setattr(table_parts, "_kept", Past(128))


def table(lines: list[str], kind: str = "lmdb") -> Table:
    source = "".join(f"{line}\n" for line in lines).encode()
    return Table(name="virtual", type=kind, source=source, file="tables/virtual", compiler="postmap")


@pytest.mark.parametrize(("rows", "least", "most"), [(2500, 8 << 10, 16 << 10), (240_000, 64 << 10, 128 << 10)])
def test_a_part_is_small_in_a_small_table(monkeypatch: pytest.MonkeyPatch, rows: int, least: int, most: int) -> None:
    monkeypatch.setattr(table_parts, "SMALLEST", 1 << 14)
    monkeypatch.setattr(table_parts, "_SIZE", 1 << 16)
    many = table([f"user{number:06}@v.example box" for number in range(rows)])
    lengths = sorted(one.length for one in parts_of(many))
    assert least <= lengths[len(lengths) // 2] <= lengths[-1] < most


def versions(seed: int, count: int = 30) -> Iterator[list[str]]:
    """Yield versions of a table, each of which differs a little from the one before."""
    choose = random.Random(seed)
    lines = [f"user{number}@v.example  box{number % 7}@out.example" for number in range(60)]
    for _ in range(count):
        yield lines
        lines = list(lines)
        for _ in range(choose.randrange(1, 4)):
            place = choose.randrange(len(lines) + 1)
            new = [choose.choice(["odd", "", "# note", f"new{choose.random()} x", "user1@v.example  y"])]
            lines[place : place + choose.randrange(3)] = new * choose.randrange(3)


def odd(table: Table) -> Iterator[Finding]:
    """Yield a finding for each entry with an odd number in its key."""
    for entry in Entries(table):
        if entry.key[-11:-10] in set("13579"):
            yield table.finding("odd", entry.line, entry.key, entry.key)


@pytest.mark.parametrize("seed", range(8))
def test_the_parts_are_whole_lines_and_together_the_table(seed: int) -> None:
    for lines in versions(seed):
        parts = list(parts_of(table(lines)))
        assert b"".join(part.source for part in parts) == table(lines).source
        assert all(part.source.endswith(b"\n") for part in parts)
        firsts = [1 + table(lines).source[: table(lines).source.index(part.source)].count(b"\n") for part in parts[:1]]
        assert firsts == [part.first for part in parts[:1]]
        assert [part.first for part in parts[1:]] == [part.first + part.source.count(b"\n") for part in parts[:-1]]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_found_in_parts_is_what_is_found_in_the_whole(seed: int) -> None:
    for lines in versions(seed):
        now = table(lines)
        assert list(findings_in(now, odd)) == list(odd(now))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("row", ["a = b", '"u@v.example"  x', "; comment", "a  b \\", "# note", "", "  continued", "a"])
def test_rows_are_judged_and_counted_as_in_the_whole(seed: int, row: str) -> None:
    for lines in versions(seed, 5):
        lines.insert(random.Random(seed).randrange(len(lines) + 1), row)
        now = table(lines)
        assert list(findings_in(now, odd_rows)) == list(odd_rows(now))
        assert entry_count(now) == count_entries(now.source)
        assert is_plain_throughout(now) == is_plain(now.source)


def test_one_edit_makes_few_parts_anew_however_often_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_parts, "_SIZE", 1000)
    monkeypatch.setattr(table_parts, "_NEAR", 16_000)
    made: list[int] = []

    def counted(part: Table) -> int:
        made.append(len(part.source))
        return 0

    lines = [f"user{number:05}@v.example  box@out.example" for number in range(2000)]
    assert len(list(each(table(lines), counted))) == len(made) > 50
    whole, choose = len(made), random.Random(1)
    for number in range(200):
        made.clear()
        place = choose.randrange(len(lines))
        lines[place : place + number % 2] = [f"new{number}@v.example  x"]
        list(each(table(lines), counted))
        assert len(made) <= 3, number
    assert len(list(parts_of(table(lines)))) < 2 * whole


@pytest.mark.parametrize("line", ["  continued", '"a b"  c', "\ufeffkey  value"])
def test_a_table_whose_lines_depend_on_one_another_is_one_part(line: str) -> None:
    lines = [f"user{number}@v.example  box" for number in range(60)]
    assert len(list(parts_of(table(lines)))) > 1
    assert len(list(parts_of(table([*lines, line])))) == 1
    assert len(list(parts_of(table([*lines], "pcre")))) == 1


def test_a_line_that_is_too_long_is_told_as_in_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.model.limits.LINE", 300)
    now = table([f"user{number}@v.example  box" for number in range(60)] + ["x " + "y" * 400])
    assert len(list(parts_of(now))) == 1
    assert "at most 300" in read_table(now)[1][0].text


def test_what_a_pattern_finds_is_what_it_finds_in_the_whole() -> None:
    import re  # noqa: PLC0415 - its type is imported above

    now = table([f"user{number}@v.example  box{number}:" for number in range(60)])
    named: re.Pattern[str] = re.compile(r"(\w+)(?=:)")
    assert texts(now, named, frozenset({"box7", "box59", "other"})) == {"box7", "box59"}
    assert search(now, re.compile(rb"box59:$", re.MULTILINE))
    assert not search(now, re.compile(rb"box60"))
    assert longest_line(now) == max(map(len, now.source.split(b"\n")))


@pytest.mark.parametrize("kind", ["lmdb", "pcre"])
def test_a_text_begins_a_line_of_a_part_if_it_begins_one_of_the_whole(kind: str) -> None:
    now = table([f"user{number}@v.example  box{number}" for number in range(60)], kind)
    begun = [text for text in ("user0@", "user59@", "user6", "v.example", "box1", "user60") if begins(now, text)]
    assert begun == ["user0@", "user59@", "user6"]


def begins(now: Table, text: str) -> bool:
    return begins_a_line(now, text.encode())


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: Past[dict[bytes, object]] = Past(3)
    monkeypatch.setattr(table_parts, "_kept", kept)
    for lines in versions(1, 10):
        for number in range(5):
            list(each(table(lines), lambda _, number: number, number))
        assert len(kept) == 3


def test_a_text_is_found_in_whatever_part_it_is() -> None:
    lines = [f"user{number}@v.example box@out.example" for number in range(60)]
    assert len(list(parts_of(table(lines)))) > 3
    assert not holds(table(lines), b":")
    for place in (0, 30, 60):
        assert holds(table([*lines[:place], "d.example smtp:", *lines[place:]]), b":")
    assert holds(table(["d.example smtp:"]), b":")


def test_a_beginning_is_whole_lines_and_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_parts, "_beginnings", Past(8))
    long = table([f"user{number}@v.example box" for number in range(60)])
    assert beginning(long, 60).source == b"user0@v.example box\nuser1@v.example box\nuser2@v.example box"

    def never() -> bytes:
        pytest.fail("a table was read again")

    again = replace(long, source=Unread(never, long.size, long.digest))
    assert beginning(again, 60).source == beginning(long, 60).source


def test_a_beginning_has_the_first_line_however_long_it_is() -> None:
    assert beginning(table(["a" * 90, "b"]), 60).source == b"a" * 90
    assert beginning(table(["a", "b"]), 60).source == b"a\nb\n"


def test_a_word_is_mentioned_in_whatever_case_it_is_written() -> None:
    lines = [f"user{number}@v.example box@out.example" for number in range(60)]
    assert not mentions(table(lines), [b"d.example", b"x.example"])
    assert mentions(table([*lines, "D.Example OK"]), [b"x.example", b"d.example"])
    assert mentions(table(["D.Example OK"]), [b"d.example"])
