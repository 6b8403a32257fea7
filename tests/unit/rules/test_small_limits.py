"""Limits below ordinary mail."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of


@pytest.mark.parametrize(
    ("name", "value", "is_error"),
    [
        ("message_size_limit", "50", True),
        ("message_size_limit", "51200", False),
        ("hopcount_limit", "1", True),
        ("hopcount_limit", "8", False),
        ("header_size_limit", "100", True),
        ("smtpd_recipient_limit", "1", True),
        ("smtpd_recipient_limit", "50", False),
    ],
)
def test_a_small_limit_is_told_of(name: str, value: str, is_error: bool) -> None:
    (finding,) = findings_of("small-limit", {name: value})
    assert finding.is_error is is_error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("message_size_limit", "0"),
        ("message_size_limit", "10240000"),
        ("hopcount_limit", "50"),
        ("smtpd_recipient_limit", "1000"),
    ],
)
def test_an_ordinary_limit_is_not(name: str, value: str) -> None:
    assert not findings_of("small-limit", {name: value})
