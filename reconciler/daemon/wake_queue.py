"""The queue of reasons to wake: it holds each reason once, and limits the rate of passes.

Promises: wake() is safe from any thread and from a signal handler. After too many reloads, passes that may reload
Postfix are delayed for every reason (a push, a hand edit, a renewed certificate); no reason is lost, so the last state
always goes live. Time is measured on a monotonic clock. Raises nothing.
"""

from __future__ import annotations

import math
import os
import queue
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.model.phase import Wake, next_allowed

if TYPE_CHECKING:
    from collections.abc import Callable

GATHER = 1.0  # seconds: a certificate's key can arrive shortly after it
_REMEMBERED = 32


class WakeQueue:
    """Reasons to wake, and the time for each; *may_wait* returns whether passes can be delayed on this host now."""

    def __init__(self, interval: float, may_wait: Callable[[], bool]) -> None:
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.interval, self._may_wait = interval, may_wait
        self._woken: queue.SimpleQueue[Wake] = queue.SimpleQueue()  # unlike a lock, safe in a signal handler
        self._pending: dict[Wake, float] = {}
        self._reloads: deque[float] = deque(maxlen=_REMEMBERED)
        self._held = 0.0

    def wake(self, reason: Wake) -> None:
        """Fill the reason's slot, and ring."""
        self._woken.put(reason)
        self.ring()

    def ring(self) -> None:
        """End a wait on the bell."""
        os.eventfd_write(self.bell, 1)

    def silence(self) -> None:
        """Reset the bell, so that the next ring is noticed."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.bell)

    def reloaded(self) -> None:
        """Remember that Postfix has just been reloaded or restarted."""
        self._reloads.append(time.monotonic())

    def ready(self) -> list[Wake]:
        """Take out and return the reasons that are due; none while reloads are delayed."""
        now = time.monotonic()
        while not self._woken.empty():
            reason = self._woken.get()
            self._pending[reason] = now + GATHER if reason is Wake.CERTIFICATE else self._pending.get(reason, now)
        ready = sorted(reason for reason, at in self._pending.items() if at <= now)
        allowed = next_allowed(self._reloads, now, self.interval)
        self._held = allowed if ready and allowed > now and self._may_wait() else 0.0
        if self._held:
            return []
        for reason in ready:
            del self._pending[reason]
        return ready

    @property
    def empty(self) -> bool:
        """Whether no reason has come since the last call of ready()."""
        return self._woken.empty()

    def held_for(self, reason: Wake) -> float:
        """Return for how many seconds a reason is delayed because of earlier reloads."""
        return max(self._held - time.monotonic(), 0.0) if reason in self._pending else 0.0

    def next_at(self) -> float:
        """Return the time of the next reason on the monotonic clock, or infinity if there is none."""
        return max(min(self._pending.values()), self._held) if self._pending else math.inf
