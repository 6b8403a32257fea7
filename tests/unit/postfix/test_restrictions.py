"""smtpd's restriction lists as a language: their words, and whom they let through."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.postfix.restrictions import (
    Restriction,
    classes_of,
    depends_on_client,
    parsed,
    relays_mynetworks,
    smtpd_scopes,
)
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def main(**parameters: str) -> Scope:
    return Scope(compose(desired(parameters), HOST), HOST)


def test_a_restriction_takes_its_argument_and_an_unknown_word_stays_as_it_is() -> None:
    assert parsed("PERMIT_MYNETWORKS, check_sender_access hash:x, Strict, reject_rbl_client") == [
        Restriction("permit_mynetworks"),
        Restriction("check_sender_access", "hash:x"),
        Restriction("Strict"),
        Restriction("reject_rbl_client", ""),
    ]


def test_services_of_smtpd_have_a_scope_each() -> None:
    merged = compose(desired(files={"master.d/x.cf": "2525 inet n - n - - smtpd\n"}), HOST)

    assert [scope.service.name for scope in smtpd_scopes(merged, HOST) if scope.service] == ["smtp", "2525"]


def test_classes_are_those_that_are_declared() -> None:
    assert classes_of(main(smtpd_restriction_classes="a, b")) == ["a", "b"]


@pytest.mark.parametrize(
    ("relay", "relays"),
    [
        ("permit_mynetworks, reject_unauth_destination", True),
        ("reject_unauth_destination, permit_mynetworks", False),
        ("permit", True),
    ],
)
def test_mynetworks_relay_where_they_are_permitted_ahead_of_the_protection(relay: str, *, relays: bool) -> None:
    assert relays_mynetworks(main(smtpd_relay_restrictions=relay)) is relays


@pytest.mark.parametrize(
    ("parameters", "depends"),
    [
        ({}, False),
        ({"smtpd_client_restrictions": "check_client_access hash:/x"}, True),
        ({"smtpd_client_restrictions": "check_client_access static:REJECT"}, False),
        ({"smtpd_client_restrictions": "permit_mynetworks, reject"}, False),
        ({"smtpd_client_restrictions": "permit_mynetworks, reject", "mynetworks": "192.0.2.0/24"}, True),
        ({"smtpd_client_restrictions": "permit_tls_clientcerts, reject"}, True),
        ({"smtpd_data_restrictions": "check_policy_service inet:127.0.0.1:9"}, True),
    ],
)
def test_a_list_depends_on_its_client_where_others_may_be_let_in(parameters: dict[str, str], *, depends: bool) -> None:
    assert depends_on_client(main(**parameters)) is depends
