"""The fetcher: exchange with the remote in a thread of its own, regularly and whenever somebody asks.

It fetches, makes the commits that the panel asks for, and pushes what this host wrote.

Promises: a remote that does not answer delays no pass and no other answer. Each request gets the result of a fetch that
began after it, and requests at the same time share one; one that comes before start() waits for the first fetch. After
a failure the next try follows soon, then ever later, up to LONGEST_PAUSE or the interval of the settings. What fails
has pauses of its own, so a push that fails delays no fetch. A failure is a line of the log when it begins, and status
has that of a fetch from the record of passes/fetch.py, and the others from *trouble* and *bug*. Raises nothing.

Known limit: there is one exchange with the remote at a time, so a fetch that is due during a push waits for its end. A
request for it is answered after PATIENCE, because it may come from a hook of the forge that the push waits for.
"""

from __future__ import annotations

import math
import random
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.daemon.news import News
from reconciler.host.log import Event
from reconciler.model.errors import ReconcilerError, Stopping, Unavailable
from reconciler.model.phase import FIRST_PAUSE, LONGEST_PAUSE, Wake
from reconciler.passes.fetch import ACCEPT, AGAIN, NOT_REMOTE, fetch, rewritten
from reconciler.passes.internal_error import failure_of
from reconciler.passes.publish import push_records
from reconciler.passes.site_requests import drain
from reconciler.repository.connection import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.daemon.control import Message
    from reconciler.host.log import Log

HEARTBEAT = 1.0
PATIENCE = 2.0
"""Seconds that a request waits for a push of this host, and a fetch for an exchange of another process."""
PUSHES = "this host pushes to the remote now, and fetches when that has ended"
_FETCH, _DRAIN, _PUSH = "fetch", "drain", "push"
_JITTER = 0.2
"""The share of a pause that is left to chance, so that many hosts do not ask their forge at the same moment."""


def pause(poll: float, failures: int, chance: float) -> float:
    """Return the seconds until the next fetch; infinity if only a request brings one. *chance* is from 0 to 1."""
    if not poll and not failures:
        return math.inf
    longest = max(poll, LONGEST_PAUSE)
    seconds = min(FIRST_PAUSE * 2.0 ** min(failures, 20), longest) if failures else poll
    return seconds * (1 + _JITTER * (chance - 0.5))


class _Turns:
    """When a task is due next: *every* so many seconds, never if it is 0, and after a failure soon, then ever later."""

    def __init__(self, every: float = 0.0) -> None:
        self.every, self.failures, self.at = every, 0, 0.0

    def ended(self, *, failed: bool) -> None:
        """Say how it went."""
        self.failures = self.failures + 1 if failed else 0
        chance = random.random()  # noqa: S311 - it only spreads load
        self.at = time.monotonic() + pause(self.every, self.failures, chance)

    def is_due(self) -> bool:
        """Return whether its time has come."""
        return time.monotonic() >= self.at


class Fetcher:
    """Fetches for one daemon, and wakes it when the branch moved; does nothing for a host that follows no remote."""

    def __init__(self, edges: Edges, wake: Callable[[Wake], None], log: Log) -> None:
        self._edges, self._wake, self._log = replace(edges, say=lambda _: None), wake, log
        self._news, self._stopped, self._asked, self._works, self._waits = News(), False, True, True, False
        self._pushes = False
        self._change = threading.Condition()
        self._begun = self._ended = 0
        self._result: Message = {}
        self._fetching, self._draining, self._pushing = _Turns(edges.settings.poll), _Turns(), _Turns()
        self._troubles, self._bugs = (dict.fromkeys((_FETCH, _DRAIN, _PUSH), "") for _ in range(2))
        self._thread = threading.Thread(target=self._run, name="fetcher", daemon=True)

    @property
    def trouble(self) -> str:
        """Why something can't be committed or pushed now, empty if it can; for fetches, see the record."""
        return self._troubles[_DRAIN] or self._troubles[_PUSH]

    @property
    def bug(self) -> str:
        """The bug in reconciler that a task ended with when it was last tried, empty if there is none."""
        return next(filter(None, self._bugs.values()), "")

    def start(self) -> None:
        """Start to fetch, now and then regularly."""
        if self._edges.settings.url is not None:
            self._thread.start()

    def work(self) -> None:
        """Say that there may be something to commit or to push; safe from any thread."""
        with self._change:
            self._works = True
            self._change.notify_all()

    def stop(self) -> None:
        """End; a fetch that runs is ended by Host.stop()."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join(FIRST_PAUSE)

    def request(self, _: Message) -> Iterator[Message]:
        """Answer `reconciler fetch`: fetch once more, and yield the result.

        It has the *revision* of the branch, the *problem* if there is one, and what to do *next* about it. Empty
        messages meanwhile test whether the client is still there.
        """
        if self._edges.settings.url is None:
            raise Unavailable(NOT_REMOTE)
        patient = time.monotonic() + PATIENCE
        deadline = time.monotonic() + 2 * TIMEOUT
        with self._change:
            self._asked, wanted = True, self._begun + 1
            self._change.notify_all()
        while not self._stopped and time.monotonic() < deadline:
            yield {}
            with self._change:
                ended, result = self._change.wait_for(lambda: self._ended >= wanted, HEARTBEAT), self._result
            if ended:
                yield {"done": result}
                return
            if self._pushes and time.monotonic() > patient:
                yield {"done": {"revision": "", "problem": PUSHES, "next": AGAIN}}
                return
        raise Unavailable("the fetch has not ended yet")

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._work()
            except Stopping:
                return
            with self._change:
                due = min(turns.at for turns in (self._fetching, self._draining, self._pushing))
                wait = min(due - time.monotonic(), threading.TIMEOUT_MAX)
                self._change.wait_for(lambda: self._asked or self._works or self._stopped, wait)

    def _work(self) -> None:
        """Do what is due, a fetch first.

        What was pushed in vain is pushed again after its pause, when somebody asks, or when the remote can be fetched
        again.
        """
        with self._change:
            asked, works = self._asked, self._works
            fetches = asked or self._fetching.is_due()
            self._asked = self._works = False
            self._begun += fetches
        was_away = bool(self._fetching.failures)
        if fetches:
            self._fetching.ended(failed=self._fails(_FETCH, self._exchange))
        is_back = asked or (was_away and not self._fetching.failures)
        self._pushes = True
        if works or is_back or self._draining.is_due():
            self._draining.ended(failed=self._fails(_DRAIN, self._drain) or self._waits)
        if is_back or self._pushing.is_due() or ((works or fetches) and not self._pushing.failures):
            self._pushing.ended(failed=self._fails(_PUSH, self._push))
        self._pushes = False

    def _fails(self, name: str, task: Callable[[], str]) -> bool:
        """Do a task, and return whether it has a problem or a bug; one is logged when it begins."""
        problem, bug, traceback = failure_of(task)
        for one in self._news.begun(name, [problem]):
            self._log.warning(Event.NOT_EXCHANGED, text=one)
        for one in self._news.begun(f"bug of {name}", [bug]):
            self._log.bug(one, traceback)
        self._troubles[name], self._bugs[name] = problem, bug
        return bool(problem or bug)

    def _exchange(self) -> str:
        """Fetch once, and have the result for those who asked; return a problem that another fetch may solve."""
        result = {"revision": "", "problem": "a bug in reconciler", "next": AGAIN}
        try:
            result = self._fetch()
        finally:
            with self._change:
                self._result, self._ended = result, self._begun
                self._change.notify_all()
        return str(result["problem"]) if result["next"] != ACCEPT else ""

    def _drain(self) -> str:
        """Make the commits that the panel asks for; they may have to wait, which drain() logs and status shows."""
        self._waits = drain(self._edges, self._log)
        return ""

    def _push(self) -> str:
        """Push what the remote does not have."""
        for one in self._news.begun("beside", [push_records(self._edges)]):
            self._log.warning(Event.NOT_EXCHANGED, text=one)
        return ""

    def _fetch(self) -> Message:
        """Fetch once, and return the result."""
        try:
            fetched = fetch(self._edges, patience=PATIENCE)
        except Stopping:
            raise
        except (ReconcilerError, OSError) as error:
            return {"revision": "", "problem": str(error), "next": getattr(error, "advice", AGAIN)}
        if fetched.after != fetched.before:
            text = f"fetched {self._edges.repo.branch}: {fetched.before[:7] or 'nothing'} to {fetched.after[:7]}"
            self._log.info(Event.FETCHED, text=text)
            self._wake(Wake.PUSH)
        if fetched.rewritten:
            problem = rewritten(fetched, self._edges)
            for one in self._news.begun("rewrite", [problem]):
                self._log.warning(Event.NOT_EXCHANGED, text=one)
            return {"revision": "", "problem": problem, "next": ACCEPT}
        self._news.begun("rewrite", [])
        return {"revision": fetched.after, "problem": "", "next": ""}
