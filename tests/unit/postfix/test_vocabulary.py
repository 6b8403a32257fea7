"""Words of Postfix's parameters, held against the parameters that Postfix 3.7 itself knows."""

from __future__ import annotations

import tracemalloc

import pytest

from reconciler.model import Service, Where
from reconciler.model.service_index import ServiceIndex
from reconciler.postfix.vocabulary import LISTS, LONG, PROTOCOL, WORDS, KnownNames, ServiceLimits
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
    known = ServiceLimits(ServiceIndex([pipe, listener]))

    assert known["vacation_destination_rate_delay"] == "default_destination_rate_delay"
    assert known["vacation_time_limit"] == "command_time_limit"
    assert not any(name.startswith("smtp_") for name in known)
    assert len(known) == len(list(known)) == len([name for name in known if known[name]]) == 17
    for other in ("vacation_limit", "smtp_recipient_limit", "smtp_time_limit", "_recipient_limit", "vacation"):
        assert other not in known


def test_the_parameters_of_thousands_of_services_are_not_made_to_look_one_up() -> None:
    services = [Service(name=f"out{one}", type="unix", command="smtp", where=Where("m")) for one in range(2000)]
    tracemalloc.start()
    try:
        known = KnownNames({"mynetworks"}, ServiceLimits(ServiceIndex(services)))
        assert "out1999_destination_rate_delay" in known
        assert "out2000_destination_rate_delay" not in known
        assert tracemalloc.get_traced_memory()[1] < 400_000, "a set of 34,000 names takes ten times that"
    finally:
        tracemalloc.stop()


def test_names_of_several_collections_are_one_collection() -> None:
    known = KnownNames({"a": 1}, ["b", "a"])

    assert (list(known), len(known)) == (["a", "b"], 2)
    assert "b" in known
    assert "c" not in known
