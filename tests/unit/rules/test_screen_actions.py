"""Clients that a table of postscreen rejects."""

from __future__ import annotations

from tests.unit.desired_states import findings_of, only_finding

LINES = {"master.d/s.cf": "smtpd pass - - n - - smtpd\n127.0.0.1:2526 inet n - n - 1 postscreen\n"}
LIST = {"postscreen_access_list": "permit_mynetworks, table:screen"}
REJECT = LINES | {"tables/screen.cidr": "198.51.100.0/24 reject\n"}


def test_a_reject_needs_an_action() -> None:
    assert "postscreen_denylist_action" in only_finding("screened-in-vain", LIST, REJECT)
    for action in ("enforce", "drop"):
        assert not findings_of("screened-in-vain", LIST | {"postscreen_denylist_action": action}, REJECT)
    assert not findings_of("screened-in-vain", LIST | {"postscreen_blacklist_action": "enforce"}, REJECT)
    permit = LINES | {"tables/screen.cidr": "198.51.100.0/24 permit\n"}
    assert not findings_of("screened-in-vain", LIST, permit)
