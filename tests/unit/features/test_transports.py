"""Transports that the repository defines."""

from __future__ import annotations

import pytest

from reconciler.features import transports
from reconciler.features.composition import compose
from tests.unit.commits import load_commit, load_findings
from tests.unit.desired_states import findings_of, linted, only_finding
from tests.unit.host_facts import HOST


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


def test_null_removes_a_built_in_transport_with_its_limit_and_its_table() -> None:
    merged = compose(load_commit("hostname: a.example\ntransports: {relaylim: null, oneshot: null}\n"), HOST)

    assert not {"relaylim/unix", "oneshot/unix"} & merged.services.keys()
    assert "relaylim_destination_concurrency_limit" not in merged.parameters
    assert merged.tables == {}


def test_null_for_another_transport_is_an_error_and_in_hosts_it_removes_it() -> None:
    found = [one for one in linted(load_commit("transports: {slow: null}\n")) if one.rule == "empty-transport"]
    assert [(one.where.line, "write slow: {}" in one.text) for one in found] == [(1, True)]
    files = {"hosts/mx1.yaml": "transports: {slow: null}\n"}
    state = load_commit("transports: {slow: {concurrency: 1}}\n", **files)
    assert "slow/unix" not in compose(state, HOST).services
    assert not [one for one in linted(state) if one.rule == "empty-transport"]


def test_a_removed_built_in_transport_can_be_changed_no_more() -> None:
    [told] = load_findings("transports: {relaylim: null}\nservices: {relaylim/unix: {maxproc: 5}}\n")

    assert told.rule == "service-without-command"
