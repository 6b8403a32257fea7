"""The one queue of reasons to wake: each is there once however often it came, and a storm of them is held to a pace.

Promises: wake() is safe from any thread and from a signal handler. Whatever the reason (a push, a hand edit, a renewed
certificate), passes that may reload Postfix are held back once too many reloads were made; no reason is ever lost, so
that the last state always lands. Time is counted on a clock that can't be set. Raises nothing.
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

GATHER = 1.0  # seconds: a certificate's key may come a moment after it
_REMEMBERED = 32


class WakeQueue:
    """Reasons to wake, and when it is their turn; *may_wait* says whether the host is well enough to be held back."""

    def __init__(self, interval: float, may_wait: Callable[[], bool]) -> None:
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.interval, self._may_wait = interval, may_wait
        self._woken: queue.SimpleQueue[Wake] = queue.SimpleQueue()  # unlike a lock, safe in a signal handler
        self._pending: dict[Wake, float] = {}
        self._reloads: deque[float] = deque(maxlen=_REMEMBERED)
        self._held = 0.0

    def wake(self, reason: Wake) -> None:
        """Fill that reason's slot, and ring."""
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
        """The reasons whose turn has come, taken out; none while reloads have to wait."""
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
        """Whether no reason has come since ready() was asked."""
        return self._woken.empty()

    def held_for(self, reason: Wake) -> float:
        """For how many seconds a reason is held back because of earlier reloads."""
        return max(self._held - time.monotonic(), 0.0) if reason in self._pending else 0.0

    def next_at(self) -> float:
        """When the next reason is to be looked at, on the monotonic clock; infinity when there is none."""
        return max(min(self._pending.values()), self._held) if self._pending else math.inf
