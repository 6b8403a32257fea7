"""Which sections a parameter prevails over."""

from __future__ import annotations

import pytest

from reconciler.desired.overrides import key_of, overridden
from reconciler.features.composition import compose
from reconciler.model import Where
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


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


@pytest.mark.parametrize("value", ["hash:/etc/x, lmdb:/etc/postfix/virtual", "lmdb:$config_directory/virtual"])
def test_a_table_that_the_parameter_names_too_is_not_prevailed_over(value: str) -> None:
    assert overridden(desired({"virtual_alias_maps": value}), HOST) == []


def test_a_place_is_named_by_its_key_or_its_file() -> None:
    state = desired(smart_host={"nexthop": "[a.test]"})
    merged = compose(state, HOST)
    assert key_of(merged.parameters["relayhost"].where, state) == ("smart_host", "nexthop")
    assert key_of(merged.parameters["virtual_alias_maps"].where, state) == ("tables/virtual",)
    assert key_of(Where("mail.yaml"), state) == ()
