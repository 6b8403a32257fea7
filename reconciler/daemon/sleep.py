"""One sleep of the daemon as a value: it is given descriptors and deadlines, and answers which of them ended it.

Promises: nothing runs between two answers but the beat of a watchdog. Descriptors that a sleep was given are closed at
the end of its with; those that it only borrows, the bell's and the signals', are not. Raises nothing: a process whose
end can't be watched is reported by the answer of until_ended().
"""

from __future__ import annotations

import math
import os
import select
import time
from enum import Enum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable


LONGEST = 86_400.0
"""Seconds of one poll(2), which takes no more than 2**31 milliseconds; a longer sleep is several."""


class Waker(Enum):
    """What may end a sleep: first those with a descriptor, then those with a deadline."""

    BELL = "a reason came"
    SIGNAL = "a signal came, to whichever thread"
    MASTER = "Postfix's master ended"
    COMPANION = "a companion's process ended"
    LOG = "a line was logged"
    QUEUE = "a reason that was held back may go"
    TIMER = "the next pass by time alone"
    PROBATION = "the next look at a probation"
    LOOK = "the next look for a master"


def readable(numbers: Collection[int], seconds: float) -> list[int]:
    """Wait until one of these descriptors can be read, for so many seconds or LONGEST; those that can."""
    poll = select.poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    return [number for number, _ in poll.poll(1000 * min(seconds, LONGEST))]


class Sleep:
    """A sleep that the *bell* ends, and whatever it is given besides."""

    def __init__(
        self,
        bell: int,
        clock: Callable[[], float] = time.monotonic,
        poll: Callable[[Collection[int], float], Collection[int]] = readable,
    ) -> None:
        self._clock, self._poll = clock, poll
        self._borrowed = {bell}
        self._descriptors = {bell: Waker.BELL}
        self._deadlines: dict[Waker, float] = {}
        self._interval = math.inf
        self._beat: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._descriptors.keys() - self._borrowed:
            os.close(number)

    def until(self, waker: Waker, at: float) -> None:
        """End at that time of the clock; a later call replaces the time."""
        self._deadlines[waker] = at

    def until_readable(self, waker: Waker, number: int) -> None:
        """End once that descriptor can be read, which is the sleep's own from now on."""
        self._descriptors[number] = waker

    def until_signal(self, number: int) -> None:
        """End once that descriptor can be read, which signal.set_wakeup_fd() writes to and which is only borrowed.

        The kernel may hand a signal to another thread, and then it does not interrupt this one's poll(2).
        """
        self._borrowed.add(number)
        self._descriptors[number] = Waker.SIGNAL

    def until_ended(self, waker: Waker, pids: Iterable[int]) -> bool:
        """End once one of these processes has; whether any of them can be watched."""
        watched = False
        for pid in pids:
            try:
                self.until_readable(waker, os.pidfd_open(pid))
            except OSError:  # it has ended already, or there are no descriptors left
                continue
            watched = True
        return watched

    def forget(self, waker: Waker) -> None:
        """Be ended by that no more."""
        self._deadlines.pop(waker, None)
        for number in [number for number, each in self._descriptors.items() if each is waker]:
            del self._descriptors[number]
            os.close(number)

    def beat(self, interval: float, beat: Callable[[], None]) -> None:
        """Call *beat* at least that often while asleep, for a watchdog."""
        self._interval, self._beat = interval, beat

    def wait(self) -> set[Waker]:
        """Sleep; what ended it. What stays readable, or is still due, ends the next wait at once."""
        while True:
            now = self._clock()
            due = {waker for waker, at in self._deadlines.items() if at <= now}
            if due:
                return due
            rest = min((at - now for at in self._deadlines.values()), default=math.inf)
            ready = self._poll(self._descriptors, min(rest, self._interval))
            self._beat()
            if ready:
                return {self._descriptors[number] for number in ready}
