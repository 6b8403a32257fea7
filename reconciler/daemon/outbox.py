"""The outbox: hand each conclusion of the journal to somebody outside, in a thread of its own.

Promises: each conclusion is handed over once, in order; only a kill, or a disk on which nothing can be written, brings
one twice. One that can't be handed over is tried again, with pauses up to LONGEST_PAUSE, and delays no pass: the
journal is the outbox, and a file in private/ remembers how far it was handed over. What the journal held before there
was somebody is not handed over. Raises nothing: *trouble* says what fails, and *bug* is a bug in reconciler that does.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.daemon.news import News
from reconciler.host.log import Event
from reconciler.model.errors import Stopping
from reconciler.model.phase import FIRST_PAUSE, LONGEST_PAUSE
from reconciler.passes.internal_error import failure_of
from reconciler.state.phases import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.apply.edges import Edges
    from reconciler.host.log import Log
    from reconciler.passes.internal_error import FailedTask
    from reconciler.state.records import ConclusionLine


class Outbox:
    """Calls *deliver* for each conclusion; *setting* names it in troubles, and *file* is the one that remembers."""

    def __init__(
        self, setting: str, file: str, deliver: Callable[[ConclusionLine], None] | None, edges: Edges, log: Log
    ) -> None:
        self._setting, self._deliver, self._edges, self._log = setting, deliver, edges, log
        self._file = edges.generations.private / file
        self._bell, self._stopped = threading.Event(), False
        self._position = 0
        self._thread = threading.Thread(target=self._run, name=setting, daemon=True)
        self._news = News()
        self.trouble = self.bug = ""

    def start(self) -> None:
        """Start to hand over what the journal gets from now on, and what is left from before."""
        if self._deliver:
            self._position = self._recorded()
            self._record()
            self._bell.set()
            self._thread.start()

    def ring(self) -> None:
        """Say that the journal may have a new conclusion; safe from any thread."""
        self._bell.set()

    def stop(self) -> None:
        """End; what is left is handed over by the next daemon."""
        self._stopped = True
        self._bell.set()
        if self._thread.is_alive():
            self._thread.join(FIRST_PAUSE)

    def _run(self) -> None:
        failures = 0
        while not self._stopped:
            self._bell.wait(min(FIRST_PAUSE * 2.0 ** min(failures, 10), LONGEST_PAUSE) if failures else None)
            self._bell.clear()
            try:
                failure = failure_of(self._hand_over_all)
            except Stopping:
                return
            failures = failures + 1 if any(failure) else 0
            self._tell(failure)

    def _hand_over_all(self) -> None:
        """Hand over each new conclusion; raise what *deliver* raises at the first one that fails."""
        for end, line in self._edges.journal.concluded_after(self._position):
            if self._stopped or not self._deliver:
                return
            self._deliver(line)
            self._position = end
            self._record()

    def _tell(self, failure: FailedTask) -> None:
        """Keep for status what fails, and log it when it begins."""
        why, bug, traceback = failure
        if why and not self.trouble:
            self._log.warning(Event.NOT_NOTIFIED, why=why)
        for one in self._news.begun("bug", [bug]):
            self._log.bug(one, traceback)
        self.trouble, self.bug = (
            f"{self._setting}: {one}; the results of passes wait for it" if one else "" for one in (why, bug)
        )

    # ---- the position in the journal ---------------------------------------------------------------------------------

    def _recorded(self) -> int:
        """Return the position after the last conclusion that was handed over; the journal's end if there was none."""
        end = self._edges.journal.end()
        try:
            position = int(json.loads(self._file.read_bytes())["position"])
        except (OSError, *DAMAGED):
            return end
        return position if 0 <= position <= end else end

    def _record(self) -> None:
        with suppress(OSError):  # of a full disk; one conclusion comes twice then
            self._edges.host.replace(self._file, json.dumps({"position": self._position}).encode())
