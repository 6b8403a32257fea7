"""DNS lists of postscreen and of smtpd that can't be read, or that can't decide."""

from __future__ import annotations

import pytest

from reconciler.rules.dns_lists import site_problem
from tests.unit.desired_states import findings_of, only_finding

SCREEN = """smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
127.0.0.1:2526 inet n - n - 1 postscreen
"""
SITES, ACTION, THRESHOLD = "postscreen_dnsbl_sites", "postscreen_dnsbl_action", "postscreen_dnsbl_threshold"


@pytest.mark.parametrize(
    "site",
    [
        "bl.example", "bl.example*2", "bl.example*-2", "bl.example*+2", "bl.example=127.0.0.2", "a_b.bl-1.example.com",
        "bl.example=127.0.[0..255].[2..11;13;200..255]*3", "list.dnswl.org=127.[0..255].[0..255].[1..3]*-2",
    ],
)  # fmt: skip
def test_what_postscreen_reads_is_fine(site: str) -> None:
    assert site_problem(site) is None


@pytest.mark.parametrize(
    "site",
    [
        "*2", "=127.0.0.2", "bl.example=", "bl.example*", "bl.example*2=127.0.0.2", "bl.example*two", "bl.example*2x",
        "bl.example=127.0.0", "bl.example=127.0.0.[2-11]", "bl.example=127.0.0.[2", "bl.example=127.0.0.[11..2]",
        "bl.example=127.0.0.256", "bl.example=127.0.0.[]", "bl.example=127.0.0.2..11", "bl.example=127.0.0.0/24",
        "bl.example=127.0.0.2,", "https://bl.example", ".bl.example", "bl..example", "-bl.example", "bl.example-",
        "bl-.example", "1.2.3.4", "bl.-example",
        "bl.example=127.0.0.[2;]", "bl.example=127.0.0.2.3", "bl.example=127.0.0.[[2]]", "bl.example=127.0.0.2]",
    ],
)  # fmt: skip
def test_what_kills_postscreen_is_a_problem(site: str) -> None:
    assert site_problem(site) is not None


def test_a_misspelt_filter_is_refused_with_what_was_meant() -> None:
    text = only_finding("bad-dns-list", {SITES: "good.example*2 bl.example=127.0.0.[2-11]*2"})
    assert text.startswith("mail.yaml:8:29: ")
    assert text.endswith("did you mean bl.example=127.0.0.[2..11]*2?")


def test_blanks_around_a_weight_are_refused() -> None:
    assert '"*" must begin with a domain' in str(findings_of("bad-dns-list", {SITES: "bl.example * 2"})[0])


def test_a_filter_of_smtpd_is_read_as_well() -> None:
    name, listed = "smtpd_recipient_restrictions", "permit_mynetworks, reject_unauth_destination, reject_rbl_client"
    assert "smtpd would exit" in only_finding("bad-dns-list", {name: f"{listed} bl.example=127.0.0.[2,4]"})
    for fine in ("bl.example", "bl.example=127.0.0.[2;4]", "bl.example=127.0.0.2, permit"):
        assert not findings_of("bad-dns-list", {name: f"{listed} {fine}"})


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({SITES: "a.example*1 b.example*1", ACTION: "enforce", THRESHOLD: "3"}, "all weights together are 2"),
        ({SITES: "a.example"}, "only logged"),
        ({SITES: "a.example*2, b.example", ACTION: "drop", THRESHOLD: "3"}, ""),
        ({SITES: "a.example", ACTION: "enforce"}, ""),
        ({SITES: "dnswl.example*-2"}, ""),
        ({ACTION: "enforce", THRESHOLD: "3"}, ""),
    ],
)
def test_lists_that_can_block_no_client_are_told_of(parameters: dict[str, str], says: str) -> None:
    found = findings_of("dns-list-in-vain", parameters, {"master.d/x.cf": SCREEN})
    assert [says in one.text and not one.is_error for one in found] == [True] * bool(says)
    assert not findings_of("dns-list-in-vain", parameters)
