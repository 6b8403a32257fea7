"""Words of Postfix's parameters, held against the parameters that Postfix 3.7 itself knows."""

from __future__ import annotations

import pytest

from reconciler.model import Service, Where
from reconciler.postfix.vocabulary import LISTS, LONG, PROTOCOL, WORDS, per_service
from tests.unit.host_facts import HOST


@pytest.mark.parametrize("name", sorted((WORDS.keys() | LISTS.keys()) & HOST.parameters.keys()))
def test_every_default_of_postfix_is_made_of_known_words(name: str) -> None:
    default = HOST.parameters[name]
    if "$" in default:
        return
    words, _ = WORDS.get(name) or LISTS[name]
    elements = [default] if name in WORDS else default.replace(",", " ").split()

    assert {element.lower() for element in elements} <= words


def test_what_holds_for_smtp_holds_for_lmtp() -> None:
    for known in (WORDS, LISTS):
        assert all(known[name.replace("smtp_", "lmtp_", 1)] == known[name] for name in known if name[:5] == "smtp_")


def test_long_numbers_are_parameters_of_postfix() -> None:
    assert HOST.parameters.keys() >= LONG


@pytest.mark.parametrize(
    ("text", "known"),
    [("!SSLv3", True), (">=TLSv1.2", True), ("<=0x0304", True), ("TLSv9", False), (">=TLS1.2", False)],
)
def test_a_protocol_is_a_name_or_a_bound(text: str, *, known: bool) -> None:
    assert bool(PROTOCOL.fullmatch(text)) is known


def test_a_service_brings_parameters_of_its_own() -> None:
    pipe = Service(name="vacation", type="unix", command="pipe", where=Where("m"))
    listener = Service(name="smtp", type="inet", command="smtpd", where=Where("m"))
    known = per_service([pipe, listener])

    assert known["vacation_destination_rate_delay"] == "default_destination_rate_delay"
    assert known["vacation_time_limit"] == "command_time_limit"
    assert not any(name.startswith("smtp_") for name in known)
