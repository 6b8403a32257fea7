"""main.cf and master.cf stay to the byte where they say the same, and only there."""

from __future__ import annotations

import pytest

from reconciler.model import File
from reconciler.trees.as_found import as_found

SERVICE = b"x unix - - n - - smtp\n  -o a=b\n"
TARGET = {"main.cf": File.of(b"a = 1\nb = 2 3\n"), "master.cf": File.of(b"y unix - - n - - smtp\n" + SERVICE)}


def test_a_file_that_says_the_same_stays_to_the_byte() -> None:
    found = {
        "main.cf": File.of(b"# mine\nb = 2\n   3\na=1\n"),
        "master.cf": File.of(b"#\n" + TARGET["master.cf"].read()),
    }

    assert as_found(TARGET, found) == found


@pytest.mark.parametrize(
    "text", [b"a = 1\n", b"a = 1\nb = 2 4\n", b"a = 1\nb = 2 3\nc = 4\n", b"a = 1\nb = 2 3\nnonsense\n"]
)
def test_another_main_cf_is_replaced(text: bytes) -> None:
    assert as_found(TARGET, {"main.cf": File.of(text)}) == TARGET


def test_of_two_services_the_last_one_counts() -> None:
    twice = File.of(b"x unix - - n - - lmtp\n" + TARGET["master.cf"].read())

    assert as_found(TARGET, {"master.cf": twice})["master.cf"] == twice


@pytest.mark.parametrize(
    "text", [SERVICE, SERVICE + b"y unix - - n - - smtp\n", b"y unix - - n - - smtp\n" + SERVICE + b"z\n", b"y\n"]
)
def test_another_master_cf_is_replaced(text: bytes) -> None:
    assert as_found(TARGET, {"master.cf": File.of(text)}) == TARGET


def test_a_missing_file_is_written() -> None:
    assert as_found(TARGET, {}) == TARGET


def test_a_mode_of_roots_is_kept_and_another_owner_is_not() -> None:
    text = b"b = 2 3\na = 1\n"
    roots, adas = File.of(text, 0o640, "root:postfix"), File.of(text, 0o666, "ada:ada")

    assert as_found(TARGET, {"main.cf": roots})["main.cf"] == roots
    assert as_found(TARGET, {"main.cf": adas})["main.cf"] == File.of(text)
