"""The tables whose contents the commit holds."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.own_tables import knows_all, own_tables
from reconciler.postfix.scopes import Scope
from reconciler.postfix.tables import Entries
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def scope(parameters: dict[str, str]) -> Scope:
    return Scope(compose(desired(parameters), HOST), HOST)


@pytest.mark.parametrize(
    ("value", "names", "whole"),
    [
        ("table:virtual", ["virtual"], True),
        ("table:virtual, ldap:/etc/people.cf", ["virtual"], False),
        ("inline:{a@b.example=c} static:root", ["inline:{a@b.example=c}", "static:root"], True),
        ("", [], True),
    ],
)
def test_the_commit_holds_its_own_files_and_what_a_value_contains(value: str, names: list[str], *, whole: bool) -> None:
    main = scope({"virtual_alias_maps": value})
    assert [named.table.name for named in own_tables(main, "virtual_alias_maps")] == names
    assert knows_all(main, "virtual_alias_maps") is whole


def test_a_default_names_tables_too() -> None:
    main = scope({"virtual_alias_domains": "$virtual_alias_maps"})
    assert [named.table.name for named in own_tables(main, "virtual_alias_domains")] == ["virtual"]


def test_a_finding_is_at_the_row_or_at_the_setting_that_contains_it() -> None:
    main = scope({"virtual_alias_maps": "table:virtual inline:{a@b.example=c}"})
    files = [
        str(named.finding("rule", next(iter(Entries(named.table))), "text").where.file)
        for named in own_tables(main, "virtual_alias_maps")
    ]
    assert files == ["tables/virtual", "mail.yaml"]
