"""Keep what depends on this host's addresses until one of them comes or goes, which the kernel says (rtnetlink(7)).

Promises: a value is never older than the last change of an address; a forked process reads its own. Safe from any
thread. Raises what reading raises.
Known limits: only the own network namespace counts. Without netlink, the value is read each time.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_IPV4_ADDRESSES, _IPV6_ADDRESSES = 0x10, 0x100  # RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR of <linux/rtnetlink.h>
_LARGEST = 1 << 16


def subscribed() -> socket.socket:
    """Return a socket that can be read once an address has come or gone."""
    news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        news.bind((0, _IPV4_ADDRESSES | _IPV6_ADDRESSES))
    except OSError:
        news.close()
        raise
    return news


class UntilNews(Generic[T]):
    """A value that is read again after news of the addresses; an equal one stays the same object."""

    def __init__(self, read: Callable[[], T], subscribe: Callable[[], socket.socket] = subscribed) -> None:
        self._read, self._subscribe, self._lock = read, subscribe, Lock()
        self._news: socket.socket | None = None
        self._known: list[T] = []
        os.register_at_fork(after_in_child=self._begin_anew)

    def __call__(self) -> T:
        """Return the value as it is now."""
        with self._lock:
            if self._changed():
                before, self._known = self._known, []
                now = self._read()
                self._known = before if before == [now] else [now]
            return self._known[0]

    def _changed(self) -> bool:
        """Whether an address came or went since the last look; a look that fails counts as one that finds news."""
        try:
            if self._news is None:
                self._news = self._subscribe()
                return True
            changed = not self._known
            with suppress(BlockingIOError):
                while self._news.recv(_LARGEST):
                    changed = True
        except OSError:  # there was more news than the socket holds
            if self._news:
                self._news.close()
            self._news = None
            return True
        return changed

    def _begin_anew(self) -> None:
        """Leave the socket to the process that was forked, which may close it or enter another network namespace."""
        if self._news:
            self._news.detach()
        self._news = None
