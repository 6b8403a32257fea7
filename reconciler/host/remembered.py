"""Answers from outside that are remembered until they are due, so that no question is asked twice.

Promises: of more than MOST answers, the oldest are forgotten. An answer that is due is kept until there is a new one.
Raises what the one who asks raises.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

MOST = 50_000
Question = TypeVar("Question")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Timed(Generic[Value]):
    """An answer and how many seconds it holds."""

    value: Value
    seconds: float


class Remembered(Generic[Question, Value]):
    """What was answered, by the questions; threads may share it."""

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._now, self._most = now, most
        self._known: dict[Question, tuple[float, Value]] = {}

    def ask(
        self,
        questions: Collection[Question],
        ask: Callable[[list[Question]], Mapping[Question, Timed[Value]]],
    ) -> dict[Question, Value]:
        """Return the answers; *ask* is called once, for the questions that are new or due, and answers what it can."""
        known, now = self._known, self._now()
        due = [one for one in dict.fromkeys(questions) if one not in known or known[one][0] <= now]
        for question, timed in (ask(due) if due else {}).items():
            known.pop(question, None)
            known[question] = (self._now() + timed.seconds, timed.value)
        answers = {one: known[one][1] for one in questions if one in known}
        for question in list(known)[: max(len(known) - self._most, 0)]:
            known.pop(question, None)
        return answers
