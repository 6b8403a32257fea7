"""One sleep of the daemon: it waits for descriptors and deadlines, and returns those that ended it.

Promises: between two answers, only the beat of a watchdog runs. At the end of its with, a sleep closes the descriptors
that it was given, but not those that it borrows: the bell's and the signals'. Raises nothing: until_ended() returns
whether a process can be watched.
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
"""Seconds of one poll(2), which accepts at most 2**31 milliseconds; a longer sleep makes several calls."""


class Waker(Enum):
    """The causes that can end a sleep: first those with a descriptor, then those with a deadline."""

    BELL = "a reason came"
    SIGNAL = "a signal came, to any thread"
    MASTER = "Postfix's master ended"
    COMPANION = "a companion's process ended"
    LOG = "a line was logged"
    QUEUE = "a delayed reason is due"
    TIMER = "the next pass by timer"
    PROBATION = "the next look at a probation"
    LOOK = "the next look for a master"


def readable(numbers: Collection[int], seconds: float) -> list[int]:
    """Wait until a descriptor is readable, at most *seconds* or LONGEST; return those that are."""
    poll = select.poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    return [number for number, _ in poll.poll(1000 * min(seconds, LONGEST))]


class Sleep:
    """A sleep that the *bell* ends, and each descriptor and deadline that it is given."""

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
        """End at this time of the clock; a later call replaces the time."""
        self._deadlines[waker] = at

    def until_readable(self, waker: Waker, number: int) -> None:
        """End when the descriptor is readable; the sleep owns it from now on."""
        self._descriptors[number] = waker

    def until_signal(self, number: int) -> None:
        """End when the descriptor of signal.set_wakeup_fd() is readable; the sleep only borrows it.

        The kernel can deliver a signal to another thread; it then does not interrupt the poll(2) of this thread.
        """
        self._borrowed.add(number)
        self._descriptors[number] = Waker.SIGNAL

    def until_ended(self, waker: Waker, pids: Iterable[int]) -> bool:
        """End when one of these processes ends; return whether any of them can be watched."""
        watched = False
        for pid in pids:
            try:
                self.until_readable(waker, os.pidfd_open(pid))
            except OSError:  # it has ended already, or there are no descriptors left
                continue
            watched = True
        return watched

    def forget(self, waker: Waker) -> None:
        """Remove a cause, and close its descriptor."""
        self._deadlines.pop(waker, None)
        for number in [number for number, each in self._descriptors.items() if each is waker]:
            del self._descriptors[number]
            os.close(number)

    def beat(self, interval: float, beat: Callable[[], None]) -> None:
        """Call *beat* at least once in each *interval* of the sleep, for a watchdog."""
        self._interval, self._beat = interval, beat

    def wait(self) -> set[Waker]:
        """Sleep, and return what ended it; a cause that is still ready ends the next wait at once."""
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
