"""Commits that nobody would write end in findings, never in an error; `python -m tests.fuzz` makes more of them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.grammar import commit
from tests.fuzz.judge import judged

COMMITS = 400


@pytest.mark.parametrize("first", range(0, COMMITS, 100))
def test_no_commit_ends_in_an_error(first: int) -> None:
    ends = Counter(judged(number) for number in range(first, first + 100))
    # The grammar must reach the rules, and not only the readers.
    assert ends["refused"] + ends["permitted"] > ends.total() // 4


def test_a_number_always_makes_the_same_commit() -> None:
    assert commit(7) == commit(7) != commit(8)
