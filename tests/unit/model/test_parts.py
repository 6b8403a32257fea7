"""The answers of rules and features that have nothing to say."""

from __future__ import annotations

from reconciler.model import Contribution, Mentioned, no_services, nothing_mentioned
from tests.unit.host_facts import HOST


def test_who_asks_nothing_of_the_host_mentions_nothing() -> None:
    assert nothing_mentioned(Contribution(), HOST) == Mentioned()


def test_who_brings_no_service_brings_none_whatever_is_written() -> None:
    assert no_services(None) == no_services({"enabled": "yes"}) == frozenset()
