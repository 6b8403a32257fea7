"""Numbers as others write them: no text stops their reader."""

from __future__ import annotations

import pytest

from reconciler.postfix.numbers import LARGE, as_number


@pytest.mark.parametrize(
    ("text", "value"),
    [("25", 25), ("+7", 7), ("-7", -7), ("00025", 25), ("9" * 20, 10**20 - 1), ("9" * 5000, LARGE), ("²", LARGE),
     ("٣", LARGE), ("-" + "9" * 5000, -LARGE), ("", LARGE)],
)  # fmt: skip
def test_a_number_is_read_or_is_large(text: str, value: int) -> None:
    assert as_number(text) == value
