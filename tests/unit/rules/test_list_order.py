"""Exclusions that come after what they are excluded from."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize(
    "parameters",
    [
        {"mynetworks": "127.0.0.0/8, 10.0.0.0/8, !10.1.2.3"},
        {"mynetworks": "127.0.0.0/8, [2001:db8::]/32, ![2001:db8:1::]/48"},
        {"smtpd_sasl_exceptions_networks": "10.0.0.0/8, !10.0.0.0/24"},
        {"relay_domains": "r.example, !sub.r.example"},
        {"relay_domains": ".r.example, !sub.r.example", "parent_domain_matches_subdomains": ""},
        {"mydestination": "mx.test.example, localhost, !localhost"},
    ],
)
def test_the_first_match_decides(parameters: dict[str, str]) -> None:
    assert "write" in only_finding("excluded-in-vain", parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"mynetworks": "127.0.0.0/8, !10.1.2.3, 10.0.0.0/8"},
        {"mynetworks": "127.0.0.0/8, !10.1.2.3"},
        {"mynetworks": "127.0.0.0/8, !10.0.0.0/8, 10.0.0.0/24, [2001:db8::]/32"},
        {"relay_domains": "r.example, !sub.r.example", "parent_domain_matches_subdomains": ""},
        {"mydestination": "mx.test.example, localhost, !sub.mx.test.example"},
    ],
)
def test_an_exclusion_that_comes_first_is_fine(parameters: dict[str, str]) -> None:
    assert not findings_of("excluded-in-vain", parameters)
