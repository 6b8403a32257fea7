"""Where a value comes from: what prevails over what, and what is said of what nobody knows."""

from __future__ import annotations

import pytest

from reconciler.commands.account import Account, Origin, Unknown, default_of, options_of, service_named
from reconciler.desired.overrides import key_of, overridden
from reconciler.features import compose
from reconciler.model import Where
from tests.unit.facts import HOST
from tests.unit.states import desired

SERVICES = ("smtp/inet", "smtp/unix", "oneshot/unix", "[::1]:25/inet")


def test_custom_parameters_are_listed_with_what_they_prevail_over() -> None:
    state = desired({"relayhost": "[b.test]"}, smart_host={"nexthop": "[a.test]"})
    (override,) = overridden(state, HOST)
    assert (override.above.value, override.below.value) == ("[b.test]", "[a.test]")
    above, below = state.where("parameters", "relayhost"), state.where("smart_host", "nexthop")
    assert str(override) == (
        f"parameters.relayhost (mail.yaml:{above.line}) prevails over smart_host (mail.yaml:{below.line})"
    )


@pytest.mark.parametrize(
    ("parameter", "section"),
    [("myhostname", "hostname"), ("virtual_alias_maps", "tables"), ("smtp_tls_security_level", "tls")],
)
def test_every_section_that_is_written_can_be_prevailed_over(parameter: str, section: str) -> None:
    (override,) = overridden(desired({parameter: "x"}, tls={"outbound": "encrypt"}), HOST)
    assert override.below.section == section


@pytest.mark.parametrize("parameter", ["compatibility_level", "alias_maps", "smtp_tls_security_level", "smtpd_banner"])
def test_what_nobody_wrote_is_not_prevailed_over(parameter: str) -> None:
    assert overridden(desired({parameter: "x"}), HOST) == []


def test_a_place_is_named_by_its_key_or_its_file() -> None:
    state = desired(smart_host={"nexthop": "[a.test]"})
    merged = compose(state, HOST)
    assert key_of(merged.parameters["relayhost"].where, state) == ("smart_host", "nexthop")
    assert key_of(merged.parameters["virtual_alias_maps"].where, state) == ("tables/virtual",)
    assert key_of(Where("mail.yaml"), state) == ()


@pytest.mark.parametrize(
    ("asked", "key"), [("oneshot", "oneshot/unix"), ("smtp/unix", "smtp/unix"), ("[::1]:25", "[::1]:25/inet")]
)
def test_a_service_is_known_without_its_type_where_there_is_one(asked: str, key: str) -> None:
    assert service_named(asked, SERVICES) == key


@pytest.mark.parametrize(
    ("asked", "told"),
    [("smtp", "smtp/inet or smtp/unix: say which"), ("onesht", "did you mean oneshot?"), ("zzz", 'no service "zzz"$')],
)
def test_a_service_that_is_not_there_is_said_so(asked: str, told: str) -> None:
    with pytest.raises(Unknown, match=told):
        service_named(asked, SERVICES)


def test_defaults_are_known_for_all_that_postfix_would_read() -> None:
    services = compose(desired(), HOST).entries
    assert default_of("relayhost", HOST, (), services) == ""
    assert default_of("smtp_destination_rate_delay", HOST, (), services) == "$default_destination_rate_delay"
    assert default_of("mine", HOST, ("mine",), services) is None
    with pytest.raises(Unknown, match=r'knows no parameter "relayhots", .*did you mean relayhost\?'):
        default_of("relayhots", HOST, (), services)


def test_services_with_a_value_of_their_own_are_known() -> None:
    state = desired(services={"smtp/unix": {"options": {"smtp_helo_name": "a.test"}}})
    assert options_of("smtp_helo_name", compose(state, HOST).entries) == {"smtp/unix": "a.test"}


def test_an_account_tells_no_tricks_to_a_terminal() -> None:
    origin = Origin(value="a\x1b[2J", where=Where("main.cf", 3), instead="edited by hand")
    lines = list(Account(name="x", service="", default=None, origin=origin).why_lines())
    assert lines[0] == r"x = a\x1b[2J"
    assert lines[1].split() == ["set", "in", "main.cf:3", "edited", "by", "hand"]
    assert "only this configuration knows the name" in lines[2]
