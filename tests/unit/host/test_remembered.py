"""Answers from outside are remembered until they are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.host.remembered import Remembered, Timed

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outside:
    """Answers every question with how often it was asked, for ten seconds."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.is_silent = False

    def __call__(self, questions: list[str]) -> Mapping[str, Timed[int]]:
        """Answer."""
        self.asked.append(questions)
        return {} if self.is_silent else {one: Timed(len(self.asked), 10.0) for one in questions}


def test_only_what_is_new_or_due_is_asked() -> None:
    now = [0.0]
    remembered: Remembered[str, int] = Remembered(lambda: now[0])
    outside = Outside()
    assert remembered.ask(["a", "b"], outside) == {"a": 1, "b": 1}
    assert remembered.ask(["a", "b"], outside) == {"a": 1, "b": 1}
    now[0] = 9.0
    assert remembered.ask(["a", "c"], outside) == {"a": 1, "c": 2}
    now[0] = 10.0
    assert remembered.ask(["a", "b", "c"], outside) == {"a": 3, "b": 3, "c": 2}
    assert outside.asked == [["a", "b"], ["c"], ["a", "b"]]


def test_an_answer_that_is_due_is_kept_while_nothing_answers() -> None:
    now = [0.0]
    remembered: Remembered[str, int] = Remembered(lambda: now[0])
    outside = Outside()
    remembered.ask(["a"], outside)
    outside.is_silent, now[0] = True, 99.0
    assert remembered.ask(["a", "b"], outside) == {"a": 1}


def test_the_oldest_answers_are_forgotten() -> None:
    remembered: Remembered[str, int] = Remembered(most=2)
    outside = Outside()
    for name in "abc":
        remembered.ask([name], outside)
    remembered.ask(["b", "c"], outside)
    assert outside.asked == [["a"], ["b"], ["c"]]
    remembered.ask(["a"], outside)
    assert outside.asked[-1] == ["a"]
