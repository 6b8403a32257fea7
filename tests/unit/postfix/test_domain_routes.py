"""Whether transport_maps routes all mail of an address class."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.domain_routes import all_routed
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def asked(domains: str, routes: str = "", maps: str = "table:transport") -> bool | None:
    parameters = {"virtual_mailbox_domains": domains, "transport_maps": maps}
    files = {"tables/transport": routes, "tables/own": "A.example x\nada@a.example x\n"}
    return all_routed(Scope(compose(desired(parameters, files), HOST), HOST), "virtual_mailbox_domains")


@pytest.mark.parametrize(
    ("domains", "routes", "routed"),
    [
        ("a.example", "a.example relaylim:\n", True),
        ("a.example, b.example", "a.example relaylim:\n", False),
        ("table:own", "a.example lmtp:[::1]\n", True),
        ("a.example", "a.example :[192.0.2.1]\n", False),
        ("a.example", "ada@a.example relaylim:\n", False),
        ("", "", False),
        ("/etc/postfix/domains", "a.example relaylim:\n", None),
        ("hash:/etc/lists", "a.example relaylim:\n", None),
    ],
)
def test_each_domain_needs_a_route(domains: str, routes: str, *, routed: bool | None) -> None:
    assert asked(domains, routes) is routed


def test_tables_elsewhere_may_have_the_route() -> None:
    assert asked("a.example", maps="hash:/etc/lists") is None


def test_patterns_route_too() -> None:
    assert asked("a.example", maps="inline:{ {a.example = relaylim:} }") is True
    assert asked("a.example", maps="static:relaylim:") is True
