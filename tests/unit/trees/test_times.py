"""Times and durations as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.trees.times import duration, local

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).astimezone()


def test_a_time_of_today_has_no_date() -> None:
    assert local(NOW.replace(hour=7, minute=5).isoformat(), NOW) == "07:05"


def test_another_day_has_its_date() -> None:
    assert local((NOW.replace(hour=7, minute=5) - timedelta(days=1)).isoformat(), NOW) == "2026-11-21 07:05"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (3.9, "3 s"),
        (125, "2 min 5 s"),
        (120, "2 min"),
        (15000, "4 h 10 min"),
        (180000, "2 d 2 h"),
        (86401, "1 d"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
