"""Two versions of a table: what differs is what a comparison of all lines says, and only that becomes objects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from reconciler.postfix import table_changes
from reconciler.postfix.table_changes import changed, differing, gaps

if TYPE_CHECKING:
    import pytest

LINES = st.sampled_from([b"a 1", b"b 2", b"c 3", b"d" * 70 + b" 4", b"d" * 70 + b"e 4", b"", b"# x", b"a 1 "])
CONTINUED = st.sampled_from([b"a 1", b"b", b" 2", b"\tc", b"", b"# x"])


def text(lines: list[bytes], *, ended: bool) -> bytes:
    return b"\n".join(lines) + b"\n" * ended


TEXTS = st.builds(text, st.lists(LINES, max_size=12), ended=st.booleans())
EDITS = st.tuples(st.lists(LINES, max_size=30), st.integers(0, 30), st.integers(0, 4), st.lists(LINES, max_size=4))


def edited(one: tuple[list[bytes], int, int, list[bytes]]) -> tuple[bytes, bytes]:
    lines, place, gone, new = one
    return text(lines, ended=True), text([*lines[:place], *new, *lines[place + gone :]], ended=True)


EDITED = EDITS.map(edited)


def plainly(old: bytes, new: bytes) -> tuple[Counter[bytes], Counter[bytes]]:
    """Return the lines that differ, as a comparison of all lines says."""
    before, after = Counter(old.split(b"\n")), Counter(new.split(b"\n"))
    return before - after, after - before


@given(st.one_of(st.tuples(TEXTS, TEXTS), EDITED))
def test_the_gaps_are_whole_lines_and_outside_of_them_the_texts_are_equal(pair: tuple[bytes, bytes]) -> None:
    old, new = pair
    made, here, there = b"", 0, 0
    for gap in gaps(old, new):
        assert old[here : gap.old] == new[there : gap.new]
        assert all(text[:at].endswith(b"\n") or at == 0 for text, at in ((old, gap.old), (new, gap.new)))
        made += old[here : gap.old] + new[gap.new : gap.new_end]
        here, there = gap.old_end, gap.new_end
    assert made + old[here:] == new
    assert old[here:] == new[there:]


@given(st.one_of(st.tuples(TEXTS, TEXTS), EDITED))
def test_the_lines_that_differ_are_those_of_a_plain_comparison(pair: tuple[bytes, bytes]) -> None:
    found = changed(*pair, most=1 << 20)
    assert found is not None
    wanted = [{line: count for line, count in side.items() if line} for side in plainly(*pair)]
    assert [{line: count for line, count in Counter(side).items() if line} for side in found] == wanted


@given(st.lists(CONTINUED, max_size=9), st.lists(CONTINUED, max_size=9))
def test_where_lines_are_continued_a_part_begins_and_ends_with_an_entry(one: list[bytes], other: list[bytes]) -> None:
    old, new = text([b"first 0", *one], ended=True), text([b"first 0", *other], ended=True)
    parts = differing(old, new)
    if parts.new and (b"\n " in new or b"\n\t" in new):
        start = parts.line(1) - 1
        before, rest = new.split(b"\n")[:start], new.split(b"\n", start)[-1]
        assert not rest.startswith((b" ", b"\t")) or not before
        assert rest.startswith(parts.new)
        assert not rest[len(parts.new) :].startswith((b" ", b"\t"))


@given(EDITED)
def test_each_line_that_differs_is_found_at_its_place(pair: tuple[bytes, bytes]) -> None:
    parts = differing(*pair)
    whole = pair[1].split(b"\n")
    for number, line in enumerate(parts.new.split(b"\n")[:-1], 1):
        assert whole[parts.line(number) - 1] == line


def test_more_than_is_wanted_is_not_compared() -> None:
    old = b"".join(b"k%d a\n" % number for number in range(1000))
    assert changed(old, old.replace(b" a", b" b"), most=len(old) // 16) is None
    assert changed(old, old + b"new a\n", most=len(old) // 16) == ([], [b"new a"])


def test_both_ends_of_a_large_table_change_and_only_two_lines_become_objects() -> None:
    rows = [b"user%06d@v.example  box@out.example" % number for number in range(50_000)]
    old = text(rows, ended=True)
    new = text([b"first@v.example x", *rows[1:-1], b"last@v.example y"], ended=True)
    parts = differing(old, new)
    assert parts.new.split(b"\n") == [b"first@v.example x", b"last@v.example y", b""]
    assert (parts.line(1), parts.line(2)) == (1, 50_000)
    assert len(list(gaps(old, new))) == 2


def test_after_many_gaps_the_rest_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_changes, "MOST", 3)
    rows = [b"user%06d@v.example  box@out.example" % number for number in range(1000)]
    new = [row + b"s" * (number % 100 == 7) for number, row in enumerate(rows)]
    found = list(gaps(text(rows, ended=True), text(new, ended=True)))
    assert len(found) == 3
    assert found[-1].new_end == len(text(new, ended=True))
