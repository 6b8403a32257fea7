"""Transports and next hops in values."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.routes import destinations, transport_of, unknown_transport, values_in
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


@pytest.mark.parametrize(
    ("value", "transport"), [("smtp:[mx.example]:25", "smtp"), ("lmtp", "lmtp"), (":[mx.example]", ""), ("", "")]
)
def test_a_transport_stands_before_the_first_colon(value: str, transport: str) -> None:
    assert transport_of(value) == transport


@pytest.mark.parametrize(
    ("value", "hint"),
    [("relaylm:", "did you mean relaylim?"), ("[mx.example]:25", "did you mean smtp:[mx.example]:25?")],
)
def test_a_transport_that_is_not_there_is_named_with_what_was_meant(value: str, hint: str) -> None:
    assert (unknown_transport(value, {"smtp", "relaylim"}) or "").endswith(hint)
    assert unknown_transport("smtp:x", {"smtp", "relaylim"}) is None
    assert unknown_transport(":x", {"smtp"}) is None


def test_answers_of_tables_inside_a_value_are_its_values() -> None:
    assert values_in("static:{smtp:[a]} inline:{ {x = smtp:b}, y=c: } hash:/z") == ["smtp:[a]", "smtp:b", "c:"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("default_transport", "smtp:$myhostname", ["smtp:mx.test.example"]),
        ("transport_maps", "static:lmtp:unix:x", ["lmtp:unix:x"]),
        ("mynetworks", "static:smtp:", []),
    ],
)
def test_destinations_are_those_of_the_parameters_that_hold_some(name: str, value: str, found: list[str]) -> None:
    scope = Scope(compose(desired({name: value}), HOST), HOST)
    parameter = scope.parameter(name)
    assert parameter

    assert destinations(scope, parameter) == found
