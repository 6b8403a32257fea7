"""The guard: a thread that stays awake while the loop works, because a program that the loop runs can hang.

Promises: while the loop is awake, the guard looks every LOOK seconds. It starts a master that died, unless the loop is
in an activation; it has the socket made again; and it tells systemd's watchdog that the daemon lives, as long as the
loop makes progress: a program that runs is within its time-out, and between programs no more than QUIET seconds pass.
While the loop sleeps, the guard sleeps too. Raises nothing.

Known limit: a program that Postfix's own start needs, and that hangs for everyone, keeps the master from starting.
"""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.apply.recover import revive_beside
from reconciler.daemon.news import News
from reconciler.host.effects import progress
from reconciler.host.programs import systemd
from reconciler.passes.internal_error import as_internal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.host.log import Log

LOOK = 2.0
QUIET = 120.0
LONG = 10.0  # seconds after which `status` shows a pass that goes on
_START = 120.0  # seconds for a start of Postfix


class Guard:
    """Watches over the loop of the thread that makes it; *look* is done at each look as well."""

    def __init__(self, edges: Edges, look: Callable[[], None], log: Log) -> None:
        self._edges, self._look, self._log = edges, look, log
        self._loop, self._news = threading.get_ident(), News()
        self._awake, self._asleep = threading.Event(), threading.Event()
        self._since = time.monotonic()
        self._stopped = self._revived = False
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self.bug = ""

    def start(self) -> None:
        """Start to watch; the loop is awake."""
        self._since = time.monotonic()
        self._awake.set()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, without waiting for a start of Postfix that hangs."""
        self._stopped = True
        self._asleep.set()
        self._awake.set()
        self._thread.join(LOOK)

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Rest while the loop sleeps."""
        self._awake.clear()
        self._asleep.set()
        try:
            yield
        finally:
            self._since = time.monotonic()
            self._asleep.clear()
            self._awake.set()

    def revived(self) -> bool:
        """Return whether a master was started since the last call."""
        revived, self._revived = self._revived, False
        return revived

    @property
    def busy(self) -> float:
        """The seconds since the loop woke; 0 while it sleeps."""
        return 0.0 if self._asleep.is_set() else time.monotonic() - self._since

    @property
    def limits(self) -> list[str]:
        """What `reconciler status` shows of a pass that takes long."""
        seconds, program = self.busy, progress(self._loop).program
        if seconds <= LONG:
            return []
        return [f"the daemon has been busy for {seconds:.0f} s{f'; it waits for {program}' if program else ''}"]

    def _run(self) -> None:
        while self._awake.wait() and not self._stopped:
            if self._asleep.wait(LOOK):
                continue
            try:
                self._watch()
            except Exception as error:  # noqa: BLE001 - as in the loop: a bug must not stop the guard
                told, self.bug = traceback.format_exc(), str(as_internal(error))
                for _ in self._news.begun("bug", [told]):
                    self._log.bug(self.bug, told)
            else:
                self.bug = ""
                self._news.begun("bug", [])

    def _watch(self) -> None:
        if lives(time.monotonic(), self._since, progress(self._loop).until):
            systemd.notify("WATCHDOG=1")
        self._look()
        with self._edges.host.within(_START):
            self._revived = revive_beside(self._edges) or self._revived


def lives(now: float, since: float, until: float) -> bool:
    """Return whether a loop makes progress that woke at *since* and whose last program ends or ended at *until*."""
    return now <= max(since, until) + QUIET
