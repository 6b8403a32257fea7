"""A default is read at a level of compatibility, as the recorded ones of Postfix 3.7 are."""

from __future__ import annotations

import pytest

from reconciler.postfix.levels import at_level, depends
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
