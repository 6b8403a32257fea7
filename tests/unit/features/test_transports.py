"""Transports that the repository defines."""

from __future__ import annotations

import pytest

from reconciler.features import transports
from tests.unit.commits import load_findings
from tests.unit.desired_states import findings_of, only_finding


def test_a_transport_does_not_take_the_name_of_a_stock_service() -> None:
    assert "smtp" in only_finding("reserved-transport", transports={"smtp": {"concurrency": "1"}})
    assert not findings_of("reserved-transport", transports={"slow": {"concurrency": "1"}, "oneshot": {}})


def test_a_limit_that_one_recipient_at_a_time_makes_void_is_told_of() -> None:
    void = {"recipient_limit": 1, "concurrency": 1, "rate_delay": "1s"}
    assert "concurrency and rate_delay" in only_finding("limit-by-recipient", transports={"slow": void})
    assert not findings_of("limit-by-recipient", transports={"slow": void | {"recipient_limit": 2}})
    assert not findings_of("limit-by-recipient", transports={"slow": {"recipient_limit": 1}})


@pytest.mark.parametrize("name", ["oneshot", "relaylim"])
def test_a_built_in_transport_in_master_d_is_a_duplicate(name: str) -> None:
    assert name in transports.BUILT_IN
    [told] = load_findings("hostname: a.b\n", {"master.d/x.cf": f"{name} unix - - n - - smtp\n"})

    assert told.rule == "duplicate-service"
