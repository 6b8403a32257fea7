"""The name that was probably meant."""

from __future__ import annotations

from reconciler.model import closest, did_you_mean


def test_only_a_close_name_is_suggested() -> None:
    assert closest("smtpd_recipient_restictions", ["smtpd_recipient_restrictions", "relayhost"]) is not None
    assert closest("zzz", ["smtpd_recipient_restrictions"]) is None


def test_a_hint_is_a_question_or_nothing() -> None:
    assert did_you_mean("relayhots", ["relayhost", "mynetworks"]) == "; did you mean relayhost?"
    assert did_you_mean("zzz", ["relayhost"]) == ""
