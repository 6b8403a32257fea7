"""The fetcher: fetch from the remote in a thread of its own, regularly and whenever somebody asks.

Promises: a remote that does not answer delays no pass and no other answer. Each request gets the result of a fetch that
began after it, and requests at the same time share one. After a failure the next fetch follows soon, then ever later,
up to LONGEST_PAUSE or the interval of the settings. A failure is a line of the log when it begins, and status has it
from the record of passes/fetch.py. Raises nothing.
"""

from __future__ import annotations

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
from reconciler.repository.connection import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.daemon.control import Message
    from reconciler.host.log import Log

HEARTBEAT = 1.0
_JITTER = 0.2
"""The share of a pause that is left to chance, so that many hosts do not ask their forge at the same moment."""


def pause(poll: float, failures: int, chance: float) -> float | None:
    """Return the seconds until the next fetch; None if only a request brings one. *chance* is from 0 to 1."""
    if not poll and not failures:
        return None
    longest = max(poll, LONGEST_PAUSE)
    seconds = min(FIRST_PAUSE * 2.0 ** min(failures, 20), longest) if failures else poll
    return seconds * (1 + _JITTER * (chance - 0.5))


class Fetcher:
    """Fetches for one daemon, and wakes it when the branch moved; does nothing for a host that follows no remote."""

    def __init__(self, edges: Edges, wake: Callable[[Wake], None], log: Log) -> None:
        self._edges, self._wake, self._log = replace(edges, say=lambda _: None), wake, log
        self._news, self._stopped, self._asked = News(), False, True
        self._change = threading.Condition()
        self._begun = self._ended = 0
        self._result: Message = {}
        self._thread = threading.Thread(target=self._run, name="fetcher", daemon=True)

    def start(self) -> None:
        """Start to fetch, now and then regularly."""
        if self._edges.settings.url is not None:
            self._thread.start()

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
        failures = 0
        while self._begin():
            try:
                with internal_errors():
                    result = self._fetch()
            except Stopping:
                return
            except InternalError as error:
                result = {"revision": "", "problem": str(error), "next": AGAIN}
                for _ in self._news.begun("bug", [str(error)]):
                    self._log.bug(str(error), error.traceback)
            failures = failures + 1 if result["problem"] and result["next"] != ACCEPT else 0
            wait = pause(self._edges.settings.poll, failures, random.random())  # noqa: S311 - it only spreads load
            with self._change:
                self._result, self._ended = result, self._begun
                self._change.notify_all()
                self._change.wait_for(lambda: self._asked or self._stopped, wait)

    def _begin(self) -> bool:
        with self._change:
            self._asked = False
            self._begun += 1
            return not self._stopped

    def _fetch(self) -> Message:
        """Fetch once; a problem is logged when it begins."""
        try:
            fetched = fetch(self._edges)
        except Stopping:
            raise
        except (ReconcilerError, OSError) as error:
            return self._problem(str(error), getattr(error, "advice", AGAIN))
        if fetched.after != fetched.before:
            text = f"fetched {self._edges.repo.branch}: {fetched.before[:7] or 'nothing'} to {fetched.after[:7]}"
            self._log.info(Event.FETCHED, text=text)
            self._wake(Wake.PUSH)
        if fetched.rewritten:
            return self._problem(rewritten(fetched, self._edges), ACCEPT)
        self._news.begun("fetch", [])
        return {"revision": fetched.after, "problem": "", "next": ""}

    def _problem(self, why: str, advice: str) -> Message:
        for one in self._news.begun("fetch", [why]):
            self._log.warning(Event.NOT_FETCHED, text=one)
        return {"revision": "", "problem": why, "next": advice}
