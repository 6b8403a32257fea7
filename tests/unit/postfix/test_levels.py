"""A default is read at a level of compatibility, as the recorded ones of Postfix 3.7 are."""

from __future__ import annotations

import pytest

from reconciler.model import UNWRITTEN, Contribution, Parameter
from reconciler.postfix.levels import LEVEL, at_level, depends, level_of
from tests.unit.host_facts import HOST


@pytest.mark.parametrize(
    ("name", "level", "value"),
    [
        ("relay_domains", "0", "$mydestination"), ("relay_domains", "2", ""), ("relay_domains", "3.10", ""),
        ("smtputf8_enable", "0", "no"), ("smtputf8_enable", "1", "yes"), ("respectful_logging", "3.5", "no"),
        ("smtpd_relay_restrictions", "3.6", "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"),
        ("myorigin", "0", HOST.parameters["myorigin"]), ("smtp_helo_name", "0", "$myhostname"),
    ],
)  # fmt: skip
def test_a_default_at_a_level(name: str, level: str, value: str) -> None:
    assert at_level(HOST.parameters[name], level) == value


def test_most_defaults_do_not_depend_on_the_level() -> None:
    assert 5 < len([name for name, default in HOST.parameters.items() if depends(default)]) < 20


def test_a_malformed_default_stays_as_it_is() -> None:
    assert at_level("${{$compatibility_level} <level", "2") == "${{$compatibility_level} <level"


@pytest.mark.parametrize(
    ("written", "level"),
    [("3.6", "3.6"), ("$mine", "2"), ("${mine?{3.6}:{0}}", "3.6"), ("$absent", ""), ("${mine", ""), (None, "0")],
)
def test_the_level_is_what_its_expression_means(written: str | None, level: str) -> None:
    given = {"mine": "2"} | ({} if written is None else {LEVEL: written})
    merged = Contribution(parameters={name: Parameter(name, value, UNWRITTEN) for name, value in given.items()})

    assert level_of(merged, HOST) == level
