"""What each table is for, and the tables that settings hold themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.features.composition import compose
from reconciler.postfix.table_uses import Use, inline_tables, uses_by_table
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from reconciler.model import Contribution

TABLES = {f"tables/{name}.cidr": "192.0.2.0/24 OK\n" for name in ("a", "b", "c", "d")}


def merged(parameters: dict[str, str]) -> Contribution:
    return compose(desired(parameters, TABLES), HOST)


def test_a_table_is_for_the_parameter_or_the_restriction_that_asks_it() -> None:
    lists = "check_client_access table:a, table:b, reject_unauth_destination"
    uses = uses_by_table(merged({"smtpd_relay_restrictions": lists, "mynetworks": "table:a, table:c"}), HOST)

    assert uses["a"] == {Use("check_client_access", dotless=True), Use("mynetworks", dotless=True)}
    assert uses["c"] == {Use("mynetworks", dotless=True)}
    assert "d" not in uses


def test_a_table_without_a_restriction_is_asked_as_its_list_would() -> None:
    uses = uses_by_table(merged({"smtpd_client_restrictions": "table:b", "smtpd_sender_restrictions": "table:c"}), HOST)

    assert uses["b"] == {Use("check_client_access", dotless=True)}
    assert uses["c"] == {Use("check_sender_access", dotless=True)}


def test_the_classes_that_hold_there_are_known_to_the_use() -> None:
    parameters = {
        "smtpd_restriction_classes": "strict",
        "strict": "check_sender_access table:a",
        "smtpd_sender_restrictions": "strict",
    }

    assert uses_by_table(merged(parameters), HOST)["a"] == {
        Use("check_sender_access", frozenset({"strict"}), dotless=True)
    }


def test_a_table_in_a_setting_is_given_with_its_use_but_for_routes() -> None:
    parameters = {
        "smtpd_client_restrictions": "check_client_access cidr:{{192.0.2.1/32 OK}}",
        "transport_maps": "inline:{a=smtp:[b.test]}",
    }
    (inline,) = inline_tables(merged(parameters), HOST)

    assert (inline.use, inline.table.source) == (Use("check_client_access", dotless=True), b"192.0.2.1/32 OK\n")
    found = inline.finding(inline.table.finding("r", 1, "wrong", "192.0.2.1/32", lasting=False))
    assert (found.rule, found.lasting, found.where) == ("r", False, inline.parameter.where)


def test_a_key_stands_for_what_is_below_it_where_parents_match() -> None:
    parameters = {"smtpd_client_restrictions": "check_client_access table:a", "relay_domains": "table:b"}
    uses = uses_by_table(merged(parameters | {"parent_domain_matches_subdomains": "relay_domains"}), HOST)

    assert uses["a"] == {Use("check_client_access")}
    assert uses["b"] == {Use("relay_domains", dotless=True)}
