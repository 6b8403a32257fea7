"""Next hops that lead back to this host are refused, wherever they are written, as real Postfix bounces the mail."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reconciler.model import Where
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import HOST

SUBMISSION = "127.0.0.1:10025 inet n - n - - smtpd\n"


@pytest.mark.parametrize(
    "parameters",
    [
        {"relayhost": "[127.0.0.1]:25"},
        {"relayhost": "[localhost]"},
        {"relayhost": "localhost"},
        {"smtpd_proxy_filter": "127.0.0.1:10025"},
        {"smtpd_proxy_filter": "inet:localhost:smtp"},
        {"header_checks": "regexp:{{/^Subject:/ FILTER smtp:[127.0.0.1]:10025}}"},
        {"smtpd_sender_restrictions": "check_sender_access static:{FILTER smtp:[127.0.0.1]:25}"},
        {"content_filter": "smtp:localhost:10025"},
        {"relayhost": "[mx.test.example]:smtp"},
        {"relayhost": "[192.0.2.10]"},
        {"relayhost": "[::1]:25"},
        {"default_transport": "smtp:[127.0.0.1]"},
        {"content_filter": "smtp:[127.0.0.1]:10025"},
        {"smtp_fallback_relay": "[127.0.0.1]"},
        {"fallback_transport": "smtp:[127.0.0.1]"},
        {"relayhost": "[198.51.100.1]", "proxy_interfaces": "198.51.100.1"},
    ],
)
def test_a_next_hop_that_is_this_host_is_refused(parameters: dict[str, str]) -> None:
    (finding,) = findings_of("loops-to-self", parameters, {"master.d/x.cf": SUBMISSION})
    assert finding.is_error
    assert finding.lasting == (not {"192.0.2.10", "198.51.100.1"} & set(re.findall(r"[\d.]+", str(parameters))))


@pytest.mark.parametrize(
    "parameters",
    [
        {"relayhost": "[127.0.0.1]:2525"},
        {"relayhost": "[192.0.2.11]"},
        {"relayhost": "mx.test.example"},
        {"relayhost": "[127.0.0.1]", "inet_interfaces": "192.0.2.10"},
        {"relayhost": "[127.0.0.1]", "content_filter": "smtp:[127.0.0.1]:10024"},
        {"relayhost": "[192.0.2.10]", "inet_interfaces": "loopback-only"},
        {"default_transport": "error:[127.0.0.1]"},
        {"content_filter": "smtp:[127.0.0.1]:10024"},
        {"smtpd_proxy_filter": "127.0.0.1:10024"},
        {"smtpd_proxy_filter": "unix:/run/filter"},
        {"header_checks": "regexp:{{/^Subject:/ FILTER smtp:[127.0.0.1]:10024}}"},
        {"smtpd_sender_restrictions": "check_sender_access static:{FILTER smtp:[127.0.0.1]:10025}"},
    ],
)
def test_a_next_hop_elsewhere_is_fine(parameters: dict[str, str]) -> None:
    assert not findings_of("loops-to-self", parameters, {"master.d/x.cf": SUBMISSION})


def test_what_comes_back_from_a_filter_is_not_filtered_again() -> None:
    back = {"master.d/x.cf": f"{SUBMISSION}  -o content_filter=\n"}
    assert not findings_of("loops-to-self", {"content_filter": "smtp:[127.0.0.1]:10025"}, back)


def test_what_a_proxy_filter_hands_back_is_not_handed_on_again() -> None:
    back = {"master.d/x.cf": f"{SUBMISSION}  -o smtpd_proxy_filter=\n"}
    assert not findings_of("loops-to-self", {"smtpd_proxy_filter": "127.0.0.1:10025"}, back)


def test_a_filter_action_that_leads_here_is_told_at_its_row() -> None:
    checks = {"header_checks": "table:h"}
    rows = {"tables/h.regexp": "/^X:/ IGNORE\n/^Y:/ FILTER smtp:[127.0.0.1]:10025\n", "master.d/x.cf": SUBMISSION}
    assert only_finding("loops-to-self", checks, rows).startswith("tables/h.regexp:2:1: ")
    rows["master.d/x.cf"] += "  -o receive_override_options=no_header_body_checks\n"
    assert not findings_of("loops-to-self", checks, rows)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("transport", "far.test smtp:[127.0.0.1]:25"),
        ("transport", "far.test relay:[mx.test.example]"),
        ("transport", "far.test smtp:[MX.Test.example]"),
        ("transport", "far.test smtp:[IPv6:0:0:0:0:0:0:0:1]"),
        ("transport", "far.test smtp:[127.9.9.9]"),
        ("transport", "* smtp:[::1]:smtp"),
        ("transport", "far.test :[localhost]"),
        ("transport", "far.test smtp:[203.0.113.1], [127.0.0.1]"),
        ("transport", "far.test smtp:[127.0.0.1]:10025"),
        ("sender_transport", "@v.example smtp:[192.0.2.10]"),
    ],
)
def test_a_row_that_leads_to_this_host_is_refused(table: str, row: str) -> None:
    rows = f"near.test smtp:[203.0.113.1]\n{row}\n"
    (finding,) = findings_of("loops-to-self", {}, {f"tables/{table}": rows, "master.d/x.cf": SUBMISSION})
    assert finding.is_error
    assert finding.where == Where(f"tables/{table}", 2)
    assert finding.lasting == ("192.0.2.10" not in row)


@pytest.mark.parametrize(
    "row",
    [
        "far.test smtp:[127.0.0.1]:2525",
        "far.test smtp:[192.0.2.11]",
        "far.test smtp:mx.test.example",
        "far.test error:[127.0.0.1]",
        "far.test lmtp:[127.0.0.1]:25",
        "localhost :[127.0.0.1]",
        "far.test smtp:",
        "far.test smtp:[127.0.0.1]:10026",
        "far.test smtp:[127.0.0.1]:10027",
        "far.test smtp:[127.0.0.1]:10028",
        "far.test smtp:[127.0.0.1]:10029",
    ],
)
def test_a_row_that_leads_elsewhere_is_fine(row: str) -> None:
    others = {
        10026: "content_filter=lmtp:[127.0.0.1]:24",
        10027: "smtpd_proxy_filter=127.0.0.1:99",
        10028: "cleanup_service_name=pickup",
        10029: "smtpd_milters=inet:127.0.0.1:98",
    }
    lines = "".join(f"{port} inet n - n - - smtpd\n  -o {option}\n" for port, option in others.items())
    assert not findings_of("loops-to-self", {}, {"tables/transport": row + "\n", "master.d/x.cf": lines})


def test_the_port_of_another_instance_of_postfix_is_elsewhere() -> None:
    rows = {"tables/transport": "far.test smtp:[127.0.0.2]\n"}
    assert not findings_of("loops-to-self", {"inet_interfaces": "127.0.0.1"}, rows)


def test_relay_hosts_of_senders_lead_elsewhere_too() -> None:
    maps = {"sender_dependent_relayhost_maps": "table:relays"}
    assert "tables/relays:1:1" in only_finding("loops-to-self", maps, {"tables/relays": "@v.example [127.0.0.1]\n"})
    assert not findings_of("loops-to-self", maps, {"tables/relays": "@v.example [127.0.0.1]:2525\n"})


def test_a_row_that_a_setting_holds_is_read_as_well() -> None:
    assert "[::1]" in only_finding("loops-to-self", {"transport_maps": "inline:{ { far.test = smtp:[::1] } }"})
    assert "[::1]" in only_finding("loops-to-self", {"sender_dependent_relayhost_maps": "static:[::1]"})


def test_rows_for_an_address_that_is_ours_no_more_are_judged_anew() -> None:
    rows = {"tables/transport": "far.test smtp:[192.0.2.10]\n"}
    assert findings_of("loops-to-self", {}, rows)
    assert not findings_of("loops-to-self", {}, rows, replace(HOST, addresses=()))
