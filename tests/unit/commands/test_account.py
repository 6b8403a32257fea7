"""Where a live value comes from, and what is said about a value that has no source."""

from __future__ import annotations

import pytest

from reconciler.commands.account import Account, Origin, Unknown, default_of, options_of, service_named
from reconciler.features.composition import compose
from reconciler.model import Where
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

SERVICES = ("smtp/inet", "smtp/unix", "oneshot/unix", "[::1]:25/inet")


@pytest.mark.parametrize(
    ("asked", "key"), [("oneshot", "oneshot/unix"), ("smtp/unix", "smtp/unix"), ("[::1]:25", "[::1]:25/inet")]
)
def test_a_service_is_known_without_its_type_where_there_is_one(asked: str, key: str) -> None:
    assert service_named(asked, SERVICES) == key


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("smtp", "several services; write smtp/inet or smtp/unix"),
        ("onesht", "did you mean oneshot?"),
        ("zzz", 'no service "zzz"$'),
    ],
)
def test_a_service_that_is_not_there_is_said_so(asked: str, told: str) -> None:
    with pytest.raises(Unknown, match=told):
        service_named(asked, SERVICES)


def test_defaults_are_known_for_all_that_postfix_would_read() -> None:
    services = compose(desired(), HOST).entries
    assert default_of("relayhost", HOST, (), services) == ""
    assert default_of("smtp_destination_rate_delay", HOST, (), services) == "$default_destination_rate_delay"
    assert default_of("mine", HOST, ("mine",), services) is None
    with pytest.raises(Unknown, match=r'has no parameter "relayhots", .*did you mean relayhost\?'):
        default_of("relayhots", HOST, (), services)


def test_services_with_a_value_of_their_own_are_known() -> None:
    state = desired(services={"smtp/unix": {"options": {"smtp_helo_name": "a.test"}}})
    assert options_of("smtp_helo_name", compose(state, HOST).entries) == {"smtp/unix": "a.test"}


def test_an_account_tells_no_tricks_to_a_terminal() -> None:
    origin = Origin(value="a\x1b[2J", where=Where("main.cf", 3), instead="edited by hand")
    lines = list(Account(name="x", service="", default=None, origin=origin).why_lines())
    assert lines[0] == r"x = a\x1b[2J"
    assert lines[1].split() == ["set", "in", "main.cf:3", "edited", "by", "hand"]
    assert "only this configuration defines the name" in lines[2]
