"""Patterns that should refuse some mail and refuse all of it."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize(
    ("use", "row"),
    [
        ("header_checks", "/^Received:/ REJECT"),
        ("header_checks", "/^Subject:.*(viagra|casino|)/ REJECT spam"),
        ("header_checks", "/./ DISCARD"),
        ("body_checks", "/(viagra|)/ REJECT"),
        ("check_sender_access", "/@(spam\\.example)?/ REJECT"),
        ("check_recipient_access", "/@(mx\\.test|v)\\.example$/ 550 no"),
        ("check_client_access", "!/^192\\.0\\.2\\./ REJECT"),
    ],
)
def test_a_pattern_that_refuses_all_mail_is_told_of_at_its_row(use: str, row: str) -> None:
    text = only_finding("refuses-all", *arguments(use, f"/^x-none: y/ REJECT\n{row}\n"))
    assert text.startswith("tables/asked.regexp:2:1: warning: ")


@pytest.mark.parametrize(
    ("use", "rows"),
    [
        ("header_checks", "/^Received:/ IGNORE\n"),
        ("header_checks", "/^Subject:.*viagra/ REJECT\n/^X-Spam: / REJECT\n"),
        ("header_checks", "if /^Subject:/\n/./ REJECT\nendif\n"),
        ("body_checks", "/viagra/ REJECT\n"),
        ("check_sender_access", "/@friend\\.example$/ OK\n/./ REJECT\n"),
        ("check_recipient_access", "/^(ada|bob)@/ DUNNO\n/./ REJECT\n"),
        ("check_recipient_access", "/@v\\.example$/ REJECT\n"),
        ("check_client_access", "/^8\\./ REJECT\n"),
    ],
)
def test_a_pattern_for_some_or_for_the_rest_is_fine(use: str, rows: str) -> None:
    assert not findings_of("refuses-all", *arguments(use, rows))


def test_a_table_inside_a_setting_is_tried_too() -> None:
    assert only_finding("refuses-all", {"body_checks": "regexp:{{/a|/ REJECT}}"}).startswith("mail.yaml:")


def arguments(use: str, rows: str) -> tuple[dict[str, str], dict[str, str]]:
    """The setting that uses a table of patterns, and the table."""
    table = "regexp:$config_directory/asked"
    setting = (
        {use: table}
        if use.endswith("_checks")
        else {"smtpd_recipient_restrictions": f"{use} {table}, reject_unauth_destination"}
    )
    return setting, {"tables/asked.regexp": rows}
