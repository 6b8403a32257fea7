"""Checks against forgeries that take own users."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

LOGINS = {"smtpd_sasl_auth_enable": "yes"}
PLAIN = {"tables/senders": "v.example REJECT forged\n"}
PATTERN = {"tables/senders.regexp": "/@v\\.example$/ 550 forged\n"}


@pytest.mark.parametrize("files", [PLAIN, PATTERN])
@pytest.mark.parametrize(
    ("who", "parameters"),
    [
        ("users who log in", LOGINS | {"smtpd_sender_restrictions": "check_sender_access table:senders"}),
        (
            "users who log in",
            LOGINS | {"smtpd_sender_restrictions": "permit_mynetworks, check_sender_access table:senders"},
        ),
        (
            "clients of mynetworks",
            {"mynetworks": "192.0.2.0/24", "smtpd_sender_restrictions": "check_sender_access table:senders"},
        ),
    ],
)
def test_own_senders_who_are_refused_are_told_of(who: str, parameters: dict[str, str], files: dict[str, str]) -> None:
    assert who in only_finding("refuses-own-users", parameters, files)


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({"smtpd_sender_restrictions": "check_sender_access table:senders"}, PLAIN),
        (
            LOGINS | {"smtpd_sender_restrictions": "permit_sasl_authenticated, check_sender_access table:senders"},
            PATTERN,
        ),
        (
            LOGINS | {"smtpd_sender_restrictions": "check_sender_access table:senders"},
            {"tables/senders": "v.example OK\n"},
        ),
        (
            LOGINS | {"smtpd_sender_restrictions": "check_sender_access table:senders"},
            {"tables/senders": "b.example REJECT\n"},
        ),
    ],
)
def test_own_senders_who_are_let_by_are_not(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert not findings_of("refuses-own-users", parameters, files)


@pytest.mark.parametrize("pattern", [r"/^From:.*@v\.example/", r"/^From: .*v\.example>/"])
def test_header_checks_see_own_mail_too(pattern: str) -> None:
    checks, files = {"header_checks": "table:hc"}, {"tables/hc.regexp": f"{pattern} REJECT\n"}
    assert "header checks see all mail" in only_finding("refuses-own-users", checks, files)
    own = {"master.d/s.cf": "sub inet n - n - - smtpd\n -o cleanup_service_name=c2\nc2 unix n - n - 0 cleanup\n"}
    assert not findings_of("refuses-own-users", checks, files | own)


@pytest.mark.parametrize("pattern", [r"/^From:.*MAILER-DAEMON/", r"/^Subject: Undelivered Mail/", "/^Return-Path: <>/"])
def test_bounces_that_a_header_check_drops_are_told_of(pattern: str) -> None:
    files = {"tables/hc.regexp": f"{pattern} DISCARD\n"}
    assert "bounces" in only_finding("null-sender", {"header_checks": "table:hc"}, files)
    harmless = {"tables/hc.regexp": f"{pattern} WARN\n/^Subject:.*viagra/ REJECT\n"}
    assert not findings_of("null-sender", {"header_checks": "table:hc"}, harmless)
