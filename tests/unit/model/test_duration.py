"""One way to write a duration, for settings, options and the desired state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.model.duration import read_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("1.5s", 1.5), ("90m", 5400), (" 2h ", 7200), ("1 d", 86400), ("1w", 604800), ("0s", 0)],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "-1s", "1e3s", "²h", "1h30m", "s", "1..5s", "1H"])
def test_another_text_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r'such as "1\.5s"'):
        read_duration(text)


@pytest.mark.parametrize("text", ["11000d", "999999999w"])
def test_a_duration_has_a_limit(text: str) -> None:
    with pytest.raises(ValueError, match="at most ten years"):
        read_duration(text)
