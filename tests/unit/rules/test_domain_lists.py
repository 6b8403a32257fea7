"""A domain that no list can match is refused; one that matches in its own way is not."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("relay_domains", "*.r.example", "did you mean r.example?"),
        ("relay_domains", ".r.example, s.example", "did you mean r.example?"),
        ("relay_domains", "@r.example", "did you mean r.example?"),
        ("relay_domains", "*", "a star has no meaning"),
        ("mydestination", "mx.test.example, *.test.example", "stands for itself alone"),
        ("mydestination", "mx.test.example, .test.example", "did you mean a table of type regexp?"),
        ("virtual_alias_domains", "info@v.example", "did you mean v.example?"),
        ("virtual_mailbox_domains", "*.m.example", "stands for itself alone"),
        ("fast_flush_domains", "*.r.example", "did you mean r.example?"),
        ("masquerade_domains", "!*.x.example", "did you mean x.example?"),
    ],
)
def test_a_word_that_never_matches_is_refused(name: str, value: str, instead: str) -> None:
    (finding,) = findings_of("domain-never-matches", {name: value})
    assert finding.is_error
    assert instead in finding.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"relay_domains": "r.example, .r.example, *.r.example"},
        {"relay_domains": "$mydestination, static:all, /etc/relays, regexp:{{/@x/ OK}}"},
        {"relay_domains": ".r.example", "parent_domain_matches_subdomains": "smtpd_access_maps"},
        {"masquerade_domains": "!x.example, example"},
        {"mydestination": "mx.test.example, localhost.$mydomain, table:here"},
        {"mynetworks": "127.0.0.0/8, .own.example"},
    ],
)
def test_a_word_that_can_match_or_that_another_stands_for_is_fine(parameters: dict[str, str]) -> None:
    assert not findings_of("domain-never-matches", parameters)


def test_without_parents_a_star_means_a_dot() -> None:
    only = {"relay_domains": "*.r.example", "parent_domain_matches_subdomains": "smtpd_access_maps"}
    (finding,) = findings_of("domain-never-matches", only)
    assert "did you mean .r.example?" in finding.text
