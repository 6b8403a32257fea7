"""Whether a key is there twice, or an answer is a key again: the same after every edit as for a table that is new."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from reconciler.model import Table
from reconciler.model.past import Past
from reconciler.postfix import table_keys, table_parts
from reconciler.postfix.aliases import domain_of, targets
from reconciler.postfix.table_keys import malformed, may_hold_twice, may_lead_on
from reconciler.postfix.tables import Entries, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut tables of a few lines."""
    monkeypatch.setattr(table_parts, "SMALLEST", 200)
    monkeypatch.setattr(table_parts, "_SIZE", 100)
    for module, name in ((table_parts, "_cuts"), (table_parts, "_kept"), (table_keys, "_free")):
        monkeypatch.setattr(module, name, Past(64))


def table(lines: list[str]) -> Table:
    source = "".join(f"{line}\n" for line in lines).encode()
    return Table(name="virtual", type="lmdb", source=source, file="tables/virtual", compiler="postmap")


def holds_twice(now: Table) -> bool:
    keys = [entry.key.lower() for entry in Entries(now)]
    return len(set(keys)) < len(keys)


def leads_on(now: Table) -> bool:
    keys, answers = {entry.key.lower() for entry in Entries(now)}, [one for row in Entries(now) for one in targets(row)]
    return not keys.isdisjoint({*answers, *map(domain_of, answers)})


NEW = (
    "new{0}@v.example  x@out.example", "USER{1}@v.example  x", "a{0}@v.example  user{1}@v.example", "@d{0}.example  x",
    "b{0}@v.example  x@d{1}.example", "malformed", "# note {0}", "",
)  # fmt: skip
MARKS = ("USER", "  user", "  x@d")


@pytest.mark.parametrize("few", [0, 2, 8])
def test_after_every_edit_the_answers_are_those_of_a_plain_comparison(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_keys, "_FEW", few)
    seen: Counter[tuple[str, bool]] = Counter()
    choose = random.Random(4)
    lines = [f"user{number}@v.example  box{number % 7}@out.example" for number in range(60)]
    for _ in range(600):
        now = table(lines)
        assert may_hold_twice(now) == holds_twice(now)
        assert may_lead_on(now) == leads_on(now)
        assert list(malformed(now)) == read_table(now)[1]
        seen.update([("twice", holds_twice(now)), ("leads on", leads_on(now))])
        new = [choose.choice(NEW).format(choose.randrange(90), choose.randrange(90))] * choose.choice([0, 1, 1, 2])
        place = choose.randrange(len(lines) + 1)
        lines[place : place + choose.choice([0, 1, 2])] = new
        if choose.random() < 0.2:
            lines = list(dict.fromkeys(line for line in lines if not any(mark in line for mark in MARKS)))
            lines += [f"user{choose.randrange(10**6)}@v.example  box@out.example" for _ in range(60 - len(lines))]
    assert min(seen.values()) > 10
    assert len(seen) == 4


def test_one_row_more_is_compared_and_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"user{number}@v.example  box@out.example" for number in range(300)]
    assert not may_hold_twice(table(lines))
    sizes: list[int] = []

    def counted(hashes: Iterable[int]) -> list[int]:
        found = sorted(hashes)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(table_keys, "sorted", counted, raising=False)
    assert not may_hold_twice(table([*lines[:100], "new@v.example  x", *lines[100:]]))
    assert sizes
    assert max(sizes) < 10
    assert may_hold_twice(table([*lines, "USER7@v.example  x"]))
