"""What a rule found in a table is found once, until the table or what else it depends on changes."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Finding, Table, Where
from reconciler.model.past import forget_passes
from reconciler.postfix.table_cache import CachedTable

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = Table(name="cached", type="hash", source=b"a b\n", file="tables/cached")


def test_a_rule_walks_a_table_of_the_same_bytes_once() -> None:
    walks = []

    def rule(table: Table, word: str) -> Iterator[Finding]:
        walks.append(word)
        yield table.finding("r", 1, word)

    first = CachedTable(TABLE).ask(rule, "one")
    again = CachedTable(replace(TABLE, source=b"a " + b"b\n")).ask(rule, "one")
    assert first == again == (TABLE.finding("r", 1, "one"),)
    assert walks == ["one"]

    CachedTable(TABLE).ask(rule, "two")
    CachedTable(replace(TABLE, source=b"a c\n")).ask(rule, "two")
    CachedTable(replace(TABLE, file="sites/site1/tables/cached")).ask(rule, "two")
    assert walks == ["one", "two", "two", "two"]


def test_the_places_of_a_table_are_not_kept_with_each_of_its_versions() -> None:
    def rule(_: Table) -> Iterator[Finding]:
        yield from ()

    tracemalloc.start()
    try:
        for version in range(20):
            pieces = tuple((line, f"sites/site{line}/tables/cached") for line in range(1, 2000))
            CachedTable(replace(TABLE, source=b"a %d\n" % version, pieces=pieces)).ask(rule)
            forget_passes()
            if version == 0:
                before = tracemalloc.get_traced_memory()[0]
            del pieces
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


def test_the_many_names_that_findings_depend_on_are_not_kept_with_them() -> None:
    def rule(_: Table, names: frozenset[str]) -> Iterator[Finding]:
        yield from (TABLE.finding("r", 1, "wrong") for _ in range(len(names) - 1999))

    tracemalloc.start()
    try:
        for version in range(20):
            names = frozenset(f"name{version}.{number}" for number in range(2000))
            assert len(CachedTable(TABLE).ask(rule, names)) == len(CachedTable(TABLE).ask(rule, names)) == 1
            del names
            if version == 0:
                before = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


def test_another_place_is_another_finding() -> None:
    walks = []

    def rule(table: Table) -> Iterator[Finding]:
        walks.append(table.pieces or table.origins)
        yield table.finding("r", 1, "wrong")

    pieces, origins = ((1, "sites/site1/tables/cached"),), (Where("sites/site2/site.yaml", 3),)
    for table in (TABLE, replace(TABLE, pieces=pieces), replace(TABLE, origins=origins), replace(TABLE, pieces=pieces)):
        assert CachedTable(table).ask(rule) == (table.finding("r", 1, "wrong"),)
    assert walks == [(), pieces, origins]


def test_a_table_with_more_findings_than_are_kept_is_walked_again() -> None:
    walks = []

    def rule(table: Table) -> Iterator[Finding]:
        walks.append(table.name)
        yield from (table.finding("r", line, "wrong") for line in range(1, 2000))

    assert len(CachedTable(TABLE).ask(rule)) == len(CachedTable(TABLE).ask(rule)) == 1999
    assert walks == ["cached", "cached"]
