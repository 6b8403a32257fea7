"""The services that mail may be routed to."""

from __future__ import annotations

import pytest

from reconciler.features import compose
from reconciler.postfix.routed import routed
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

SERVICE = {"master.d/x.cf": "scan unix - - n - - smtp\n"}


def names(parameters: dict[str, str], files: dict[str, str] | None = None) -> frozenset[str]:
    return routed(Scope(compose(desired(parameters, SERVICE | (files or {})), HOST), HOST))


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({"content_filter": "scan:[127.0.0.1]:10024"}, {}),
        ({"default_transport": "scan"}, {}),
        ({"fallback_transport": "scan"}, {}),
        ({"smtpd_sender_restrictions": "check_sender_access inline:{{a@b.example=FILTER scan:[::1]:1}}"}, {}),
        ({}, {"tables/transport": "b.example scan:\n"}),
        ({}, {"tables/transport": "b.example scan\n"}),
        ({"header_checks": "table:h"}, {"tables/h.regexp": "/^X-Scan:/ FILTER scan:[::1]:1\n"}),
        ({"virtual_mailbox_domains": "m.example", "virtual_transport": "scan"}, {}),
        ({}, {"master.d/y.cf": "2525 inet n - n - - smtpd\n  -o content_filter=scan:[::1]:1\n"}),
        ({"transport_maps": "mysql:/etc/postfix/t.cf"}, {}),  # nobody knows
    ],
)
def test_a_service_that_something_names_is_routed(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert "scan" in names(parameters, files)


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({}, {}),
        ({"virtual_transport": "scan"}, {}),  # without a domain
        ({"mailbox_command": "/usr/bin/scan"}, {}),
        ({}, {"tables/aliases": "postmaster: root\nscan: root\n"}),
        ({}, {"tables/virtual": "scan@v.example root@mx.test.example\n"}),
    ],
)
def test_a_service_that_nothing_names_is_not(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert "scan" not in names(parameters, files)


def test_address_classes_have_their_transports() -> None:
    assert {"smtp", "local"} <= names({})
    assert not {"virtual", "relay", "uucp"} & names({})
    assert {"virtual", "relay"} <= names({"virtual_mailbox_domains": "m.example", "relay_domains": "r.example"})


def test_a_class_whose_domains_all_have_routes_has_no_mail() -> None:
    lists = {"virtual_mailbox_domains": "lists.example"}
    assert "virtual" not in names(lists, {"tables/transport": "lists.example error:\nops@lists.example scan:\n"})
    assert "virtual" in names(lists, {"tables/transport": "ops@lists.example scan:\n"})
