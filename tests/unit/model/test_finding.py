"""Findings: the name that was probably meant."""

from __future__ import annotations

from reconciler.model import closest


def test_only_a_close_name_is_suggested() -> None:
    assert closest("smtpd_recipient_restictions", ["smtpd_recipient_restrictions", "relayhost"]) is not None
    assert closest("zzz", ["smtpd_recipient_restrictions"]) is None
