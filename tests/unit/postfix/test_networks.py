"""One network of a list: what match_hostaddr can't read, and what was meant."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from reconciler.postfix.networks import holds, problem_of


@pytest.mark.parametrize(
    "pattern",
    [
        "127.0.0.0/8",
        "192.0.2.1",
        "[::1]/128",
        "[2001:db8::]/32",
        "mx.example",
        ".example",
        "/etc/nets",
        "hash:/x",
        "10.0",
    ],
)
def test_what_postfix_reads_is_no_problem(pattern: str) -> None:
    assert problem_of(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("192.0.2.300", "is not an address, and would match no client"),
        ("192.0.2.1-192.0.2.9", "would match no client; did you mean a network such as 192.0.2.0/24?"),
        ("10.0.0.0/8;", "contains a semicolon, and would match no client; did you mean 10.0.0.0/8?"),
        ("10.0.0.1/8", "has host bits set; did you mean 10.0.0.0/8?"),
        ("[fe80::1]/64", "has host bits set; did you mean [fe80::]/64?"),
        ("2001:db8::/32", "must be in brackets; did you mean [2001:db8::]/32?"),
        ("192.168.1.0/255.255.255.0", "has no prefix length; did you mean 192.168.1.0/24?"),
        ("10.0.0.0/33", "is not a network"),
    ],
)
def test_what_postfix_can_not_read_is_named_with_what_was_meant(pattern: str, problem: str) -> None:
    assert (problem_of(pattern) or "").endswith(problem)


@pytest.mark.parametrize(
    ("patterns", "address", "held"),
    [
        ("127.0.0.0/8 [::1]/128", "127.1.2.3", True),
        ("127.0.0.0/8 [::1]/128", "::1", True),
        ("127.0.0.0/8", "192.0.2.1", False),
        ("!192.0.2.1 192.0.2.0/24", "192.0.2.1", False),
        ("!192.0.2.1 192.0.2.0/24", "192.0.2.2", True),
        ("hash:/etc/nets mx.example /etc/nets 192.0.2.1", "192.0.2.1", True),
        ("192.0.2.9/24", "192.0.2.1", True),
        ("", "192.0.2.1", False),
    ],
)
def test_the_first_network_that_fits_decides(patterns: str, address: str, held: bool) -> None:
    assert holds(patterns.split(), ip_address(address)) is held
