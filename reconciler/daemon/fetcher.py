"""The fetcher: exchange with the remote in a thread of its own, regularly and whenever somebody asks.

It fetches, makes the commits that the panel asks for, and pushes what this host wrote.

Promises: a remote that does not answer delays no pass and no other answer. Each request gets the result of a fetch that
began after it, and requests at the same time share one. After a failure the next fetch follows soon, then ever later,
up to LONGEST_PAUSE or the interval of the settings. A failure is a line of the log when it begins, and status has it
from the record of passes/fetch.py. Raises nothing.
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
from reconciler.passes.internal_error import InternalError, internal_errors
from reconciler.passes.publish import push_records
from reconciler.passes.site_requests import drain
from reconciler.repository.connection import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.daemon.control import Message
    from reconciler.host.log import Log

HEARTBEAT = 1.0
_JITTER = 0.2
"""The share of a pause that is left to chance, so that many hosts do not ask their forge at the same moment."""


def pause(poll: float, failures: int, chance: float) -> float:
    """Return the seconds until the next fetch; infinity if only a request brings one. *chance* is from 0 to 1."""
    if not poll and not failures:
        return math.inf
    longest = max(poll, LONGEST_PAUSE)
    seconds = min(FIRST_PAUSE * 2.0 ** min(failures, 20), longest) if failures else poll
    return seconds * (1 + _JITTER * (chance - 0.5))


class Fetcher:
    """Fetches for one daemon, and wakes it when the branch moved; does nothing for a host that follows no remote."""

    def __init__(self, edges: Edges, wake: Callable[[Wake], None], log: Log) -> None:
        self._edges, self._wake, self._log = replace(edges, say=lambda _: None), wake, log
        self._news, self._stopped, self._asked, self._works = News(), False, True, True
        self._change = threading.Condition()
        self._begun = self._ended = 0
        self._result: Message = {}
        self._thread = threading.Thread(target=self._run, name="fetcher", daemon=True)
        self.trouble = ""

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
        if not self._thread.is_alive():
            raise Unavailable(NOT_REMOTE)
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
        raise Unavailable("the fetch has not ended yet")

    def _run(self) -> None:
        failures, due = 0, 0.0
        while not self._stopped:
            try:
                fetches = self._begin(due)
                problem = self._safely("fetch", self._exchange) if fetches else ""
                self.trouble = self._safely("push", self._carry)
            except Stopping:
                return
            if fetches or self.trouble:
                failures = failures + 1 if problem or self.trouble else 0
                chance = random.random()  # noqa: S311 - it only spreads load
                due = time.monotonic() + pause(self._edges.settings.poll, failures, chance)
            with self._change:
                wait = min(due - time.monotonic(), threading.TIMEOUT_MAX)
                self._change.wait_for(lambda: self._asked or self._works or self._stopped, wait)

    def _begin(self, due: float) -> bool:
        """Return whether to fetch now."""
        with self._change:
            fetches = self._asked or time.monotonic() >= due
            self._asked = False
            self._begun += fetches
        return fetches

    def _safely(self, name: str, task: Callable[[], str]) -> str:
        """Return the problem of a task, empty if it has none; one is logged when it begins."""
        try:
            with internal_errors():
                problem = task()
        except Stopping:
            raise
        except InternalError as error:
            problem = str(error)
            self._log.info(Event.FAILED, traceback=error.traceback)
        except (ReconcilerError, OSError) as error:
            problem = str(error)
        for one in self._news.begun(name, [problem]):
            self._log.warning(Event.NOT_EXCHANGED, text=one)
        return problem

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

    def _carry(self) -> str:
        """Make the commits that wait, and push what the remote does not have."""
        with self._change:
            works, self._works = self._works, False
        if works:
            drain(self._edges, self._log)
        for one in self._news.begun("beside", [push_records(self._edges)]):
            self._log.warning(Event.NOT_EXCHANGED, text=one)
        return ""

    def _fetch(self) -> Message:
        """Fetch once, and return the result."""
        try:
            fetched = fetch(self._edges)
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
