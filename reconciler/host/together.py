"""Ask several questions at the same time, each in a thread of its own, and wait no longer than a given time.

Promises: together() returns in time, whatever the questions do. Raises nothing; what a question raises is threading's
to report. Known limit: a question that hangs in the kernel leaves a thread waiting for it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def together(calls: Mapping[Question, Callable[[], Answer]], seconds: float) -> dict[Question, Answer]:
    """Make all calls at the same time, and return what those have returned that ended within *seconds*."""
    found: dict[Question, Answer] = {}
    until = time.monotonic() + seconds

    def one(question: Question, call: Callable[[], Answer]) -> None:
        found[question] = call()

    threads = [threading.Thread(target=one, args=each, daemon=True, name="ask") for each in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return found.copy()
