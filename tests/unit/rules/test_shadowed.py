"""Entries that an earlier one hides, in tables whose order counts."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import VIRTUAL, findings_of

CIDR = ("smtpd_client_restrictions", "check_client_access table:clients", "clients.cidr")
PCRE = ("header_checks", "table:headers", "headers.pcre")


def lines_hidden(kind: tuple[str, str, str], text: str) -> list[int]:
    name, value, file = kind
    findings = findings_of("shadowed-entry", {name: value}, {"tables/virtual": VIRTUAL, f"tables/{file}": text})
    assert not any(finding.is_error for finding in findings)
    return [finding.where.line for finding in findings]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CIDR, "10.0.0.0/8 REJECT\n10.1.0.0/16 OK\n"),
        (CIDR, "2001:db8::/32 REJECT\n2001:db8:1::/48 OK\n"),
        (CIDR, "0.0.0.0/0 DUNNO\n192.0.2.1 REJECT\n"),
        (CIDR, "10.1.2.3 REJECT\n10.1.2.3/32 OK\n"),
        (PCRE, "/^Subject: a/ REJECT\n/^Subject: a/ DUNNO\n"),
        (PCRE, "/^/ DUNNO\n/^Subject: a/ REJECT\n/^Subject: b/ REJECT\n"),
        (PCRE, "/.*/i DUNNO\n/^Subject: a/ REJECT\n"),
    ],
)
def test_what_is_never_reached_is_told_of_once(kind: tuple[str, str, str], text: str) -> None:
    assert lines_hidden(kind, text) == [2]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CIDR, "10.1.0.0/16 OK\n10.0.0.0/8 REJECT\n"),
        (CIDR, "10.0.0.0/8 REJECT\n10.1.0.0/16 REJECT\n11.0.0.0/8 OK\n"),
        (CIDR, "!10.0.0.0/8 REJECT\n10.1.0.0/16 OK\n"),
        (CIDR, "if 10.0.0.0/8\n10.0.0.0/8 REJECT\nendif\n10.1.0.0/16 OK\n"),
        (CIDR, "0.0.0.0/0 DUNNO\n::/0 REJECT\n"),
        (PCRE, "/^Subject: a/ REJECT\n/^Subject: ab/ DUNNO\n/^/ DUNNO\n"),
        (PCRE, "/^$/ DUNNO\n/^Subject: a/ REJECT\n"),
        (PCRE, "if /^Subject/\n/^/ DUNNO\nendif\n/^From: a/ REJECT\n"),
        (PCRE, "!/^/ DUNNO\n/^From: a/ REJECT\n"),
    ],
)
def test_what_may_be_reached_is_fine(kind: tuple[str, str, str], text: str) -> None:
    assert lines_hidden(kind, text) == []
