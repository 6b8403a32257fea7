"""Block lists: answers that are no listings, and lists that ended."""

from __future__ import annotations

import re

import pytest

from tests.unit.desired_states import findings_of, only_finding


def recipients(text: str) -> dict[str, str]:
    return {"smtpd_recipient_restrictions": f"permit_mynetworks, reject_unauth_destination, {text}"}


@pytest.mark.parametrize(
    ("restriction", "filtered"),
    [
        ("reject_rbl_client zen.spamhaus.org", "zen.spamhaus.org=127.0.0.[2..11]"),
        ("reject_rbl_client Zen.Spamhaus.org", "zen.spamhaus.org="),
        ("reject_rbl_client key0.zen.dq.spamhaus.net", "127.0.0.[2..11]"),
        ("reject_rhsbl_sender dbl.spamhaus.org", "dbl.spamhaus.org=127.0.1.[2..99]"),
        ("permit_dnswl_client list.dnswl.org", 'every answer of "list.dnswl.org" permits'),
        ("reject_rhsbl_helo multi.uribl.com", "127.0.0.1 means"),
    ],
)  # fmt: skip
def test_a_list_whose_every_answer_counts_is_told_of(restriction: str, filtered: str) -> None:
    text = only_finding("unfiltered-block-list", recipients(restriction))
    assert "warning: " in text
    assert filtered in text


@pytest.mark.parametrize(
    "restriction",
    [
        "reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
        "reject_rbl_client bl.spamcop.net",
        "reject_rbl_client notspamhaus.org",
        "permit_dnswl_client list.dnswl.org=127.0.[0..255].[1..3]",
        "check_client_access inline:{zen.spamhaus.org=REJECT}",
    ],
)
def test_a_list_with_a_filter_or_with_one_kind_of_answer_is_fine(restriction: str) -> None:
    assert not findings_of("unfiltered-block-list", recipients(restriction))
    assert not findings_of("dead-block-list", recipients(restriction))


def test_the_lists_of_postscreen_are_read_with_their_weights() -> None:
    screen = {"master.d/x.cf": "dnsblog unix - - n - 0 dnsblog\n"}
    sites = "zen.spamhaus.org*3, bl.spamcop.net, zen.spamhaus.org=127.0.0.[2..11]*2, relays.ordb.org=127.0.0.2*1"
    parameters = {"postscreen_dnsbl_sites": sites}
    assert len(findings_of("unfiltered-block-list", parameters, screen)) == 1
    assert "relays.ordb.org" in only_finding("dead-block-list", parameters, screen)


@pytest.mark.parametrize("domain", ["relays.ordb.org", "dul.dnsbl.sorbs.net", "combined.njabl.org=127.0.0.3"])
def test_a_list_that_ended_is_told_of(domain: str) -> None:
    (finding,) = findings_of("dead-block-list", recipients(f"reject_rbl_client {domain}"))
    assert not finding.is_error
    assert re.search(r"ended in (?:2006|2024|2013)", finding.text)
    classes = {"smtpd_restriction_classes": "strict", "strict": f"reject_rbl_client {domain}"}
    assert findings_of("dead-block-list", classes)
