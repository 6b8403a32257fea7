"""main.cf stays to the byte where it says the same, and only there."""

from __future__ import annotations

import pytest

from reconciler.model import File
from reconciler.trees.as_found import as_found

TARGET = {"main.cf": File.of(b"a = 1\nb = 2 3\n"), "master.cf": File.of(b"x")}


def test_a_file_that_says_the_same_stays_to_the_byte() -> None:
    found = File.of(b"# mine\nb = 2\n   3\na=1\n")

    assert as_found(TARGET, found) == {**TARGET, "main.cf": found}


@pytest.mark.parametrize(
    "text", [b"a = 1\n", b"a = 1\nb = 2 4\n", b"a = 1\nb = 2 3\nc = 4\n", b"a = 1\nb = 2 3\nnonsense\n"]
)
def test_another_file_is_replaced(text: bytes) -> None:
    assert as_found(TARGET, File.of(text)) == TARGET


def test_a_missing_file_is_written() -> None:
    assert as_found(TARGET, None) == TARGET


def test_a_mode_is_not_kept() -> None:
    found = File.of(b"b = 2 3\na = 1\n", 0o600, "ada:ada")

    kept = as_found(TARGET, found)["main.cf"]
    assert (kept.digest, kept.mode, kept.owner) == (found.digest, 0o644, "root:root")
