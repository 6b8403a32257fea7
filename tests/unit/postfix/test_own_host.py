"""The host itself as a next hop: which of its services would get the mail, and send it there again."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.own_host import OwnHost, own_host
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def here(parameters: dict[str, str] | None = None, service: str = "") -> OwnHost:
    """What the host of these tests is with some parameters, and with a service of master.d."""
    state = desired(parameters or {}, {"master.d/own.cf": f"{service}\n"} if service else {})
    return own_host(compose(state, HOST), HOST)


@pytest.mark.parametrize("hop", ["[mx.test.example]", "[127.0.0.1]", "localhost:smtp", "[192.0.2.10]:25", "[IPv6:::1]"])
def test_a_next_hop_of_this_host_leads_back_to_the_service_that_listens(hop: str) -> None:
    assert here().back_to(hop) == "smtp"


@pytest.mark.parametrize("hop", ["mx.test.example", "[mx.other.example]", "[127.0.0.1]:10026", "[192.0.2.99]"])
def test_a_next_hop_of_another_host_or_port_leads_nowhere(hop: str) -> None:
    assert here().back_to(hop) is None


def test_what_no_listener_takes_does_not_come_back() -> None:
    assert here({"inet_interfaces": "loopback-only"}).back_to("[192.0.2.10]") is None
    assert here({"inet_interfaces": "loopback-only"}).back_to("localhost") == "smtp"


def test_a_service_without_the_filter_ends_the_road_of_filtered_mail() -> None:
    parameters = {"content_filter": "smtp:[127.0.0.1]:10025"}
    again, ended = "10025 inet n - n - - smtpd", "10025 inet n - n - - smtpd -o content_filter="

    assert here(parameters, again).back_to("[127.0.0.1]:10025", filtered=True) == "10025"
    assert here(parameters, ended).back_to("[127.0.0.1]:10025", filtered=True) is None


def test_only_next_hops_that_smtp_reads_are_looked_at() -> None:
    assert here().hops("smtp:[a.test], [b.test]") == ["[a.test]", "[b.test]"]
    assert here().hops("lmtp:unix:private/box") == []


def test_a_row_without_a_transport_has_that_of_its_domain() -> None:
    assert here().hops(":[a.test]", "user@elsewhere.test") == ["[a.test]"]
    assert here().hops(":[a.test]", "user@mx.test.example") == []


def test_a_name_of_this_host_is_certain_and_an_address_may_be_another_hosts_tomorrow() -> None:
    assert here().is_certain("[mx.test.example]:25")
    assert here().is_certain("[::1]")
    assert not here().is_certain("[192.0.2.10]")


def test_a_filter_action_that_leads_back_is_found_at_port_25_and_anywhere_for_checks() -> None:
    own = here({}, "10026 inet n - n - - smtpd")

    assert own.back_by_action("FILTER smtp:[127.0.0.1]:25", checks=False) == "smtp"
    assert own.back_by_action("FILTER smtp:[127.0.0.1]:10026", checks=True) == "10026"
    assert own.back_by_action("FILTER smtp:[127.0.0.1]:10026", checks=False) is None
    assert own.back_by_action("REJECT smtp:[127.0.0.1]:25", checks=True) is None


def test_a_proxy_filter_that_leads_to_the_same_filter_is_found() -> None:
    own = here({}, "10027 inet n - n - - smtpd -o smtpd_proxy_filter=:10027")

    assert own.proxied_again(":10027") == "10027"
    assert own.proxied_again("127.0.0.1:10028") is None
