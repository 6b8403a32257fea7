"""Tables of the commit by themselves: repeated keys, missing values, empty tables."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import VIRTUAL, findings_of, only_finding


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    text = only_finding("duplicate-entry", files={"tables/virtual": VIRTUAL + "INFO@v.example  a@mx.test.example\n"})
    assert text.startswith("tables/virtual:2:1: table virtual: duplicate key")
    assert "line 1" in text


def test_the_same_line_twice_is_refused_as_well() -> None:
    (finding,) = findings_of("duplicate-entry", files={"tables/virtual": VIRTUAL * 2})
    assert finding.is_error


def test_a_pattern_may_stand_twice() -> None:
    patterns = "if /^X-/\n/a/ WARN\nendif\n/a/ IGNORE\n/A/ IGNORE\n"
    assert not findings_of("duplicate-entry", {"header_checks": "table:h"}, {"tables/h.pcre": patterns})


def test_a_line_without_a_value_is_refused() -> None:
    assert "info@v.example" in only_finding("malformed-entry", files={"tables/virtual": "info@v.example\n"})
    assert not findings_of("malformed-entry", files={"tables/virtual": VIRTUAL + "# a comment\n\n"})


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({}, {"tables/virtual": "# nobody\n"}),
        ({"virtual_mailbox_domains": "m.example", "virtual_mailbox_maps": "table:boxes"}, {"tables/boxes": ""}),
        ({"relay_domains": "r.example", "relay_recipient_maps": "table:known"}, {"tables/known": ""}),
        ({"local_recipient_maps": "table:known"}, {"tables/known": ""}),
    ],
)
def test_an_empty_table_that_recipients_depend_on_is_refused(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert "is empty" in only_finding("empty-table", parameters, files)


def test_an_empty_table_that_no_recipient_depends_on_is_fine() -> None:
    assert not findings_of("empty-table", {"virtual_alias_domains": ""}, {"tables/virtual": ""})
    assert not findings_of("empty-table", {"virtual_alias_maps": "table:virtual, static:x"}, {"tables/virtual": ""})
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    assert not findings_of("empty-table", senders, {"tables/senders": "# nobody yet\n"})


def test_a_byte_order_mark_is_refused() -> None:
    assert "byte order mark" in only_finding("malformed-entry", files={"tables/virtual": "\ufeff" + VIRTUAL})


def test_quoted_local_parts_are_keys() -> None:
    quoted = '"john smith"@v.example root@mx.test.example\n"a\\"b" root\n'
    assert not findings_of("malformed-entry", files={"tables/virtual": VIRTUAL + quoted})
    assert findings_of("duplicate-entry", files={"tables/virtual": VIRTUAL + quoted * 2})
    assert findings_of("malformed-entry", files={"tables/virtual": VIRTUAL + '"john smith@v.example root\n'})


def test_a_prefix_of_an_address_may_end_in_a_colon() -> None:
    clients = {"smtpd_client_restrictions": "check_client_access table:clients"}
    assert not findings_of(
        "malformed-entry", clients, {"tables/clients": "2001:db8:: OK\n2001:db8:1: OK\n192.0.2 OK\n"}
    )
    assert "colon" in only_finding("malformed-entry", clients, {"tables/clients": "root: OK\n"})


def test_empty_aliases_refuse_nobody() -> None:
    assert not findings_of("empty-table", files={"tables/aliases": "# nobody\n"})
    assert findings_of("empty-table", {"local_recipient_maps": "table:users"}, {"tables/users": "# nobody\n"})


def test_a_star_that_takes_mail_for_this_hosts_own_domains_is_told_of() -> None:
    own = {"mydestination": "mx.example.com, mail.b.test, localhost"}
    (finding,) = findings_of("star-takes-own", own, {"tables/transport": "mx.example.com :\n* smtp:[192.0.2.9]\n"})
    assert not finding.is_error
    assert 'mail.b.test, localhost; did you mean to keep it with a row "mail.b.test :"?' in finding.text
    assert str(finding.where) == "tables/transport:2:1"
    for rows in (
        "mx.example.com :\n.b.test :\nlocalhost :\n* smtp:[192.0.2.9]\n",
        "* :\n",
        "x.test smtp:[192.0.2.9]\n",
    ):
        assert not findings_of("star-takes-own", own, {"tables/transport": rows})
