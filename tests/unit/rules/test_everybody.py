"""Patterns and rows for everybody, and one address that is several."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import VIRTUAL, findings_of, only_finding

INNER = {"inet_interfaces": "loopback-only"}


@pytest.mark.parametrize("pattern", ["/.+/", "/^.*$/", "/@/", "/^(.*)@(.*)$/", "!/@mx\\.test\\.example$/"])
def test_a_pattern_that_gives_every_sender_one_name_is_told_of(pattern: str) -> None:
    files = {"tables/sender_canonical.regexp": f"{pattern} noreply@mx.test.example\n"}
    (finding,) = findings_of("takes-everybody", files=files)
    assert (finding.is_error, str(finding.where)) == (False, "tables/sender_canonical.regexp:1:1")
    assert not findings_of("takes-everybody", INNER, files)


@pytest.mark.parametrize(
    "rows",
    ["/@mx\\.test\\.example$/ noreply@mx.test.example\n", "/^(.*)@(.*)$/ $1@$2\n", "/^root$/ ada@mx.test.example\n"],
)
def test_a_pattern_for_own_addresses_or_one_that_keeps_them_is_fine(rows: str) -> None:
    assert not findings_of("takes-everybody", files={"tables/sender_canonical.regexp": rows})


def test_mail_to_anybody_is_not_given_to_one() -> None:
    for name in ("virtual_alias_maps", "recipient_canonical_maps", "smtp_generic_maps"):
        parameters = {name: "regexp:{{/.+/ me@far.example}}", "virtual_alias_domains": ""}
        assert name in only_finding("takes-everybody", parameters | INNER)
    assert '"static:a@mx' in only_finding("takes-everybody", {"sender_canonical_maps": "static:a@mx.test.example"})


def test_a_cleanup_of_its_own_may_rewrite_every_sender() -> None:
    lines = (
        "127.0.0.1:5587 inet n - n - - smtpd\n  -o cleanup_service_name=own\n"
        "own unix n - n - 0 cleanup\n  -o sender_canonical_maps=static:noreply@mx.test.example\n"
    )
    assert not findings_of("takes-everybody", files={"master.d/s.cf": lines})


@pytest.mark.parametrize(
    ("kind", "rows", "many"),
    [
        ("", "* smtp:[mail.relay.example]\n", 1),
        ("", "far.example slow:\n* relay:[mail.relay.example]:587\n", 1),
        (".regexp", "/./ smtp:[mail.relay.example]\n", 1),
        ("", "mx.test.example :\n* smtp:[mail.relay.example]\n", 0),
        ("", "* :\n", 0),
        ("", "* error:no mail\n", 0),
        ("", ".test.example local:\n* smtp:[mail.relay.example]\n", 0),
        (".regexp", "/@mx\\.test\\.example$/ local:\n/./ smtp:[mail.relay.example]\n", 0),
        ("", "far.example smtp:[mail.relay.example]\n", 0),
    ],
)
def test_a_route_for_everybody_that_takes_own_mail_is_told_of(kind: str, rows: str, many: int) -> None:
    files = {f"tables/transport{kind}": rows.replace("slow:", "smtp:")}
    assert len(findings_of("takes-own-mail", files=files)) == many
    assert not findings_of("takes-own-mail", {"mydestination": "localhost"}, files)


@pytest.mark.parametrize("name", ["always_bcc", "luser_relay", "bounce_notice_recipient"])
def test_two_addresses_in_place_of_one_are_refused(name: str) -> None:
    for two in ("root@mx.test.example, ada@mx.test.example", "root ada", "root;ada"):
        (finding,) = findings_of("several-addresses", {name: two})
        assert finding.is_error
    for one in ("archive@v.example", '"a b"@v.example', ""):
        assert not findings_of("several-addresses", {name: one})


def test_two_addresses_in_a_row_of_copies_are_refused_and_in_one_of_rewriting_told_of() -> None:
    rows = {"tables/copies": f"{VIRTUAL}@v.example a@far.example, b@far.example\n"}
    (finding,) = findings_of("several-addresses", {"recipient_bcc_maps": "table:copies"}, rows)
    assert (finding.is_error, str(finding.where)) == (True, "tables/copies:2:1")
    (finding,) = findings_of("several-addresses", {"canonical_maps": "table:copies"}, rows)
    assert not finding.is_error
    assert not findings_of("several-addresses", {"virtual_alias_maps": "table:copies"}, rows)
