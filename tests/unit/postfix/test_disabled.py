"""The services that master(8) leaves out."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.model import Service, Where
from reconciler.postfix.disabled import is_disabled, started
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def service(key: str) -> Service:
    name, _, kind = key.rpartition("/")
    return Service(name=name, type=kind, command="smtpd", where=Where("master.cf"))


@pytest.mark.parametrize(
    ("patterns", "key", "left_out"),
    [
        ("", "smtp/inet", False),
        ("inet", "smtp/inet", True),
        ("inet", "smtp/unix", False),
        ("INET", "smtp/inet", True),
        ("smtp/inet", "smtp/inet", True),
        ("Smtp/Inet", "smtp/inet", True),
        ("smtp/inet", "587/inet", False),
        ("smtp.inet", "smtp/inet", True),
        ("smtp.inet", "smtp/unix", False),
        ("127.0.0.1:25.inet", "127.0.0.1:25/inet", True),
        ("127.0.0.1:25/inet", "127.0.0.1:25/inet", True),
        ("smtp", "smtp/inet", False),
        ("all", "smtp/inet", False),
        ("!smtp/inet inet", "smtp/inet", False),
        ("!smtp/inet inet", "587/inet", True),
        ("!smtp.inet inet", "smtp/inet", False),
        ("inet !smtp/inet", "smtp/inet", True),
        ("!!smtp/inet", "smtp/inet", True),
        ("!smtp/inet", "587/inet", False),
        ("!inet", "smtp/inet", False),
        ("pass fifo unix-dgram", "postlog/unix-dgram", True),
    ],
)
def test_the_first_pattern_that_matches_decides(patterns: str, key: str, *, left_out: bool) -> None:
    assert is_disabled(service(key), patterns.split()) == left_out


def test_the_services_that_start_are_those_of_the_expanded_value() -> None:
    all_of_them = compose(desired(), HOST)
    assert started(all_of_them, HOST) == all_of_them
    some = started(compose(desired({"kept": "!smtp/inet", "master_service_disable": "$kept, inet, pass"}), HOST), HOST)
    assert "smtp/inet" in some.services
    assert {one.type for one in some.entries} == {one.type for one in all_of_them.entries}
    none = started(compose(desired({"master_service_disable": "inet"}), HOST), HOST)
    assert {one.key for one in all_of_them.entries} - {one.key for one in none.entries} == {"smtp/inet"}
