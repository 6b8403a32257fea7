"""Whether other people's mail servers reach an smtpd, and whether it takes their mail."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.strangers import is_for_servers, met_by_strangers, takes_strangers
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def takes(parameters: dict[str, str], listener: str = "") -> tuple[bool, bool]:
    line = {"master.d/x.cf": f"{listener} inet n - n - - smtpd\n"} if listener else {}
    scope = smtpd_scopes(compose(desired(parameters, line), HOST), HOST)[-1]
    return takes_strangers(scope), is_for_servers(scope)


@pytest.mark.parametrize(
    ("parameters", "listener", "expected"),
    [
        ({}, "", (True, True)),
        ({}, "192.0.2.10:25", (True, True)),
        ({}, "587", (True, False)),
        ({}, "127.0.0.1:25", (False, False)),
        ({}, "[::1]:10025", (False, False)),
        ({"inet_interfaces": "loopback-only"}, "", (False, False)),
        ({"inet_interfaces": "127.0.0.1, 192.0.2.10"}, "", (True, True)),
        ({"smtpd_client_restrictions": "permit_mynetworks, reject"}, "", (False, True)),
        ({"smtpd_recipient_restrictions": "permit_auth_destination, reject"}, "", (True, True)),
    ],
)
def test_who_may_connect_and_whose_mail_is_taken(
    parameters: dict[str, str], listener: str, expected: tuple[bool, bool]
) -> None:
    assert takes(parameters, listener) == expected


def test_mail_of_strangers_meets_what_comes_before_a_decision() -> None:
    lists = {"smtpd_sender_restrictions": "permit_mynetworks, reject_unknown_sender_domain, permit, reject"}
    scope = smtpd_scopes(compose(desired(lists), HOST), HOST)[0]
    met = [restriction.name for restriction in met_by_strangers(scope, "smtpd_sender_restrictions")]
    assert met == ["permit_mynetworks", "reject_unknown_sender_domain"]
