"""One key of one selector for whole domains is what the section can sign with; anything else is said to be more."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.signing import is_network, problem_of
from reconciler.model import Secret
from tests.unit import dkim_keys

KEY, OTHER = Secret("/k", dkim_keys.KEY), Secret("/o", dkim_keys.OTHER)
ED25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"
NO_KEY = "the key of x is not a private RSA key in PEM without a password"


@pytest.mark.parametrize(
    ("domains", "selectors", "keys", "why"),
    [
        (["a.example", "b.example"], ["s1", "s1"], [KEY, KEY], ""),
        ([], ["s1"], [Secret("/k", f"\n{KEY.value}")], ""),
        (
            [], [], [],
            "x signs with 0 selectors and 0 keys, and the section with one key of one selector for all domains",
        ),
        (
            ["a.example"], ["s1"], [KEY, OTHER],
            "x signs with 1 selector and 2 keys, and the section with one key of one selector for all domains",
        ),
        (["a_b.example"], ["s1"], [KEY], "x signs for a_b.example, which is not a domain"),
        (["a.example"], ["s.1"], [KEY], "the selector s.1 is not one label, and the section takes no other"),
        (["a.example"], ["s1"], [Secret("/k", ED25519)], NO_KEY),
        (["a.example"], ["s1"], [Secret("/k", KEY.value.replace("PRIVATE", "ENCRYPTED PRIVATE"))], NO_KEY),
        (["a.example"], ["s1"], [Secret("/k", ED25519.replace("MC4", "M=4"))], NO_KEY),
    ],
)  # fmt: skip
def test_why_one_key_can_not_sign(domains: list[str], selectors: list[str], keys: list[Secret], why: str) -> None:
    assert problem_of("x", domains, selectors, keys) == why


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("192.0.2.0/24", True), ("2001:db8::1", True), ("192.0.2.1/24", False), ("0.0.0.0/0", False),
        ("127.0.0.2", False), ("mx.example.com", False), ("!192.0.2.1", False),
    ],
)  # fmt: skip
def test_networks(text: str, *, is_one: bool) -> None:
    assert is_network(text) is is_one
