"""Transports and next hops name services that exist."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

RULE = "malformed-nexthop"


@pytest.mark.parametrize(
    "route",
    [
        "smtp:", "smtp:[h]:smtp", "lmtp:unix:private/x", "lmtp:inet:h:24", "error:5.1.1 no [", ":[h]", "virtual:",
        "smtp: [h]:25", "local:[",
    ],
)  # fmt: skip
def test_a_next_hop_that_its_program_reads_is_fine(route: str) -> None:
    for rule in (RULE, "unknown-transport"):
        assert not findings_of(rule, files={"tables/transport": f"slow.example {route}\n"})


@pytest.mark.parametrize("route", ["[mail.other.example]:25", "mail.other.example", "192.0.2.1:2525"])
def test_a_route_without_a_transport_is_refused_with_the_likely_one(route: str) -> None:
    text = only_finding("unknown-transport", files={"tables/transport": f"slow.example  {route}\n"})
    assert text.endswith(f"did you mean smtp:{route}?")


def test_what_a_pattern_puts_in_is_not_known() -> None:
    table = {"tables/routes.pcre": "/^(\\w+)@x$/ $1:\n/^(.*)@y$/ smtp:[$1]:99999\n"}
    for rule in (RULE, "unknown-transport"):
        assert not findings_of(rule, {"transport_maps": "table:routes"}, table)


@pytest.mark.parametrize(
    "setting",
    [
        {"default_transport": "smpt"},
        {"relay_transport": "nosuch:[192.0.2.1]"},
        {"content_filter": "amavis:[127.0.0.1]:10024"},
        {"virtual_transport": "dovecot"},
        {"transport_maps": "static:nosuch:"},
    ],
)
def test_a_transport_that_is_no_service_is_refused(setting: dict[str, str]) -> None:
    (value,) = setting.values()
    assert value.removeprefix("static:").split(":")[0] in only_finding("unknown-transport", setting)


def test_a_service_that_is_not_private_is_no_transport() -> None:
    public = {"master.d/out.cf": "out unix n - n - - smtp\n"}
    assert "out" in only_finding("unknown-transport", {"default_transport": "out"}, public)


def test_transports_that_are_services_are_fine() -> None:
    fine = {
        "default_transport": "relaylim:[192.0.2.1]:25",
        "local_transport": "error:no mailboxes here",
        "virtual_transport": "lmtp:unix:private/dovecot-lmtp",
        "mailbox_transport": "",
        "content_filter": "",
        "transport_maps": "table:transport, static:relay:",
    }
    table = "a.example  relaylim:\nb.example  :[192.0.2.1]\nc.example  error:Bad domain!\nd.example  retry\n"
    assert not findings_of("unknown-transport", fine, {"tables/transport": table})


def test_a_service_that_a_parameter_names_must_be_there() -> None:
    option = "127.0.0.1:2525 inet n - n - - smtpd\n  -o cleanup_service_name=subcleanup\n"
    assert "subcleanup" in only_finding("unknown-service", files={"master.d/in.cf": option})
    service = "subcleanup unix n - n - 0 cleanup\n"
    assert not findings_of("unknown-service", files={"master.d/in.cf": option + service})


def test_a_deferred_transport_that_is_not_there_is_told_of() -> None:
    (finding,) = findings_of("unknown-transport", {"defer_transports": "smtp, relaylm"})
    assert (finding.is_error, "relaylm" in finding.text) == (False, True)


def test_a_transport_table_names_services_that_are_there() -> None:
    text = only_finding("unknown-transport", files={"tables/transport": "slow.example  relaylm:\n"})
    assert text.startswith("tables/transport:1:1:")
    assert text.endswith("did you mean relaylim?")


@pytest.mark.parametrize("table", ["static:DUNNO", "inline:{ {a@b.example = DUNNO} }"])
def test_dunno_ends_the_search_for_a_sender(table: str) -> None:
    assert not findings_of("unknown-transport", {"sender_dependent_default_transport_maps": table})
    assert findings_of("unknown-transport", {"transport_maps": table})
