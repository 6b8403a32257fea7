"""Questions that are asked at the same time."""

from __future__ import annotations

import threading
import time

from reconciler.host.together import together


def test_calls_are_made_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    assert set(together(dict.fromkeys("abc", meeting.wait), 30).values()) == {0, 1, 2}
    assert together({}, 1) == {}


def test_a_call_that_hangs_has_no_answer_and_costs_no_more_than_its_time() -> None:
    end = threading.Event()
    began = time.monotonic()
    try:
        assert together({"slow": lambda: end.wait(60), "quick": lambda: True}, 0.5) == {"quick": True}
    finally:
        end.set()
    assert time.monotonic() - began < 30
