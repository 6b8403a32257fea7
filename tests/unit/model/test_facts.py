"""Facts are values: equal when they say the same, and usable as keys."""

from __future__ import annotations

import pytest

from reconciler.model import RESOLVER, Mentioned, Server
from tests.unit.host_facts import HOST, facts


@pytest.mark.parametrize(("types", "expected"), [({"lmdb", "hash"}, "lmdb"), ({"hash", "cdb"}, "hash")])
def test_features_make_tables_of_lmdb_where_this_postfix_has_it(types: set[str], expected: str) -> None:
    assert facts(map_types=frozenset(types)).compiled_type == expected


def test_facts_that_say_the_same_are_equal_and_others_are_not() -> None:
    assert facts(files=dict(HOST.files)) == HOST
    assert facts(users=HOST.users | {"ada"}) != HOST


def test_the_resolver_is_the_server_without_a_name_at_port_53() -> None:
    assert Server(port=53) == RESOLVER
    assert {RESOLVER: "", Server("192.0.2.53", 53): "no"}[Server("", 53)] == ""


def test_a_state_that_names_nothing_mentions_nothing() -> None:
    assert not any(Mentioned())


@pytest.mark.parametrize(
    ("version", "release"),
    [("3.7.11", (3, 7)), ("3.10.1", (3, 10)), ("3.6-20200101", (3, 6)), ("2.11.3", (2, 11)), ("", ())],
)
def test_a_release_is_the_numbers_that_features_come_with(version: str, release: tuple[int, ...]) -> None:
    assert facts(version=version).release == release
