"""The time of a log line, in either form of syslog."""

from __future__ import annotations

from datetime import datetime

import pytest

from reconciler.host.log_times import logged_at


def local(*parts: int) -> float:
    return datetime(*parts).astimezone().timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "near", "at"),
    [
        ("2026-11-22T10:00:00.250000+01:00 mx1 postfix/master[1]: x", 0.0, 1795338000.25),
        ("2026-11-22T09:00:00Z mx1 postfix/master[1]: x", 0.0, 1795338000.0),
        ("Nov 22 10:00:00 mx1 postfix/master[1]: x", local(2026, 11, 23), local(2026, 11, 22, 10)),
        ("Nov  2 10:00:00 mx1 postfix/master[1]: x", local(2026, 11, 23), local(2026, 11, 2, 10)),
        ("Dec 31 23:59:59 mx1 postfix/master[1]: x", local(2027, 1, 1), local(2026, 12, 31, 23, 59, 59)),
        ("Jan  1 00:00:01 mx1 postfix/master[1]: x", local(2026, 12, 31, 23, 59), local(2027, 1, 1, 0, 0, 1)),
        ("Feb 29 10:00:00 mx1 postfix/master[1]: x", local(2028, 3, 1), local(2028, 2, 29, 10)),
        ("postfix/master[1]: x", 0.0, None),
        ("Nov 42 10:00:00 mx1 x", 0.0, None),
        ("", 0.0, None),
    ],
)
def test_a_line_was_logged_at_the_time_that_is_nearest(line: str, near: float, at: float | None) -> None:
    assert logged_at(line, near) == at
