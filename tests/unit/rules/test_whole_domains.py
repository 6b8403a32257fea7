"""Rows that stand for a whole domain."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

MAILBOXES = {"virtual_alias_domains": "", "virtual_mailbox_domains": "v.example", "virtual_transport": "lmtp:unix:x"}
BOXES = {
    "tables/virtual": "x@v.example ada@v.example\n",
    "tables/virtual_mailbox": "ada@v.example a\nbob@v.example b\n",
}


@pytest.mark.parametrize("name", ["canonical_maps", "recipient_canonical_maps", "relocated_maps"])
def test_a_row_that_takes_mailboxes_is_told_of(name: str) -> None:
    files = BOXES | {"tables/rows": "@v.example ada@v.example\n"}
    assert "bob@v.example" in only_finding("catch-all", MAILBOXES | {name: "table:rows"}, files)
    own = BOXES | {"tables/rows": "@v.example ada@v.example\nbob@v.example bob@w.example\n"}
    assert not findings_of("catch-all", MAILBOXES | {name: "table:rows"}, own)
    foreign = BOXES | {"tables/rows": "@w.example ada@v.example\n"}
    assert not findings_of("catch-all", MAILBOXES | {name: "table:rows"}, foreign)


def test_a_row_that_takes_local_users_is_told_of() -> None:
    assert "root@mx" in only_finding(
        "catch-all", {"canonical_maps": "table:c"}, {"tables/c": "@mx.test.example a@b.example\n"}
    )
    assert not findings_of("catch-all", {"canonical_maps": "table:c"}, {"tables/c": "@mx.test.example @b.example\n"})


def test_a_domain_for_a_domain_accepts_everybody() -> None:
    files = {"tables/virtual": "@v.example @mx.test.example\n"}
    assert "every address" in only_finding("domain-for-domain", {}, files)
    verified = "permit_mynetworks, reject_unauth_destination, reject_unverified_recipient"
    assert not findings_of("domain-for-domain", {"smtpd_recipient_restrictions": verified}, files)
    assert not findings_of("domain-for-domain", {}, {"tables/virtual": "@v.example root@mx.test.example\n"})


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (".test.example smtp:[192.0.2.77]", 1),
        (".example smtp:[192.0.2.77]", 1),
        (".test.example smtp:[192.0.2.77]\nmx.test.example :", 0),
        (".other.example smtp:[192.0.2.77]", 0),
        (".test.example :", 0),
        (".test.example local:", 0),
    ],
)
def test_a_route_for_a_parent_takes_the_host(row: str, found: int) -> None:
    assert len(findings_of("takes-own-mail", {}, {"tables/transport": f"{row}\n"})) == found
