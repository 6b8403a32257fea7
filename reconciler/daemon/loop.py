"""The daemon's loop: it waits for a reason to wake, makes one pass, and reports it.

Each reason to wake has one slot, so many pushes at once are one pass for the latest. Postfix is not reloaded more often
than the settings permit, unless its master is dead. While nothing happens, the daemon sleeps in one poll(2), which ends
by a wake, the end of Postfix's master, the resync timer, a retry that is due, a line
in the mail log while a commit is on probation, or systemd's watchdog. While it works, the guard watches what it can't.
Raises Unavailable when another daemon manages the same state, or has the socket.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.daemon.answers import Answers
from reconciler.daemon.checked import CheckedSlot
from reconciler.daemon.control import Control
from reconciler.daemon.egress_log import EgressLog
from reconciler.daemon.fetcher import Fetcher
from reconciler.daemon.guard import Guard
from reconciler.daemon.last_pass import LastPass
from reconciler.daemon.malloc import spare_memory
from reconciler.daemon.master import Master
from reconciler.daemon.memory import MemoryBound
from reconciler.daemon.news import News
from reconciler.daemon.notifier import notifier, statuses
from reconciler.daemon.probation_watch import ProbationWatch
from reconciler.daemon.progress import ProgressBoard
from reconciler.daemon.renewals import Renewals
from reconciler.daemon.report import Reporter, told_of
from reconciler.daemon.sleep import Sleep, Waker
from reconciler.daemon.wake_queue import WakeQueue
from reconciler.daemon.watch import Watcher
from reconciler.host.log import Event, get
from reconciler.host.programs import systemd
from reconciler.model import Applied, Broken, RolledBack
from reconciler.model.errors import ReconcilerError, Stopping
from reconciler.model.phase import Wake
from reconciler.passes.check import forget
from reconciler.passes.faults_now import FaultsNow, told
from reconciler.passes.internal_error import InternalError, internal_errors
from reconciler.passes.run import one_pass
from reconciler.passes.site_requests import drain
from reconciler.passes.status import Known, phase_data
from reconciler.passes.status_value import RunningPass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.apply.edges import Edges
    from reconciler.passes.record import Passed

LOOK_FOR_MASTER = 2.0  # seconds, while Postfix is stopped
_YOUNG = 500_000
"""Objects that are made before some are looked at for cycles; a check of thousands of sites makes a million, of which
none is in one, and after each pass all are looked at."""


class Daemon:
    """Keeps one host equal to one branch."""

    def __init__(self, edges: Edges) -> None:
        settings = edges.settings
        self._log = get(host=settings.label)
        self._queue = WakeQueue(settings.reload_interval, lambda: self._master.pid() is not None)
        edges = replace(edges, say=self._say, activated=self._queue.reloaded, lived=lambda: self._master.lived)
        self._guard = Guard(edges, self._look, self._log)
        self.edges = replace(edges, revived=self._guard.revived)
        self._master = Master(self.edges)
        self._probation = ProbationWatch(self.edges)
        self._slot, self._faults_now = CheckedSlot(self.edges), FaultsNow(self.edges)
        self._board, self._news = ProgressBoard(), News()
        self._reporter = Reporter(self.edges, self._board, self._log)
        self._stopping = False
        self._signals = -1
        self._last, self._bound = LastPass(), MemoryBound(settings.memory)
        self._due = 0.0
        self._step = ""
        self._has_news: Callable[[], bool] = self._master.changed
        self._renewals = Renewals(self.edges, self._log)
        self._outboxes = (notifier(self.edges, self._log), statuses(self.edges, self._log))
        self._fetcher = Fetcher(self.edges, self.wake, self._log)
        link = edges.generations.link
        links = [settings.config_directory, link, link.parent]  # which somebody may remove with the link
        refused = partial(self._log.warning, Event.OUTBOUND_REFUSED)
        self._egress = EgressLog(link.parent, refused, partial(self.wake, Wake.DRIFT))
        self._watcher = Watcher(settings.repository, settings.branch, links, self.wake)
        answers = Answers(self.edges, self._slot, self._board, self.wake, self._known, self._log)
        handlers = answers.handlers(fetch=self._fetcher.request)
        self._control = Control(settings.socket, settings.group, handlers, settings.repository)

    def wake(self, reason: Wake) -> None:
        """Fill the reason's slot; safe from any thread and from a signal handler."""
        self._queue.wake(reason)

    def _look(self) -> None:
        """Do what the guard does beside the loop: have the socket made again if it has vanished."""
        self._control.renew()

    def _known(self) -> Known:
        outside = (*(outbox.trouble for outbox in self._outboxes), self._fetcher.trouble)
        failed = filter(None, (self._probation.trouble, self._renewals.trouble, *outside))
        bugs = filter(None, (*(outbox.bug for outbox in self._outboxes), self._fetcher.bug, self._guard.bug))
        urgent = (*self._last.urgent(self._is_free), *self._waiting(), *bugs)
        limits = (*self._watcher.limits, *urgent, *self._last.limits, *self._guard.limits, *self._bound.limits, *failed)
        faults = (*self._slot.still(self._last.faults), *map(told, self._faults_now.faults()))
        troubles = (*urgent, *faults, *self._slot.unanswered())
        busy, step = self._guard.busy, self._step
        working = RunningPass(step=step, seconds=round(busy, 1)) if busy and step else None
        return Known(limits, troubles, self._renewals.files, working)

    def _is_free(self) -> bool:
        """Tell whether nothing is in the way of a pass: one is running here, or could begin."""
        return bool(self._guard.busy) or self.edges.generations.locks.is_free()

    def _waiting(self) -> list[str]:
        """Return what an operator must look at and no pass says."""
        return [*self._control.limits, *filter(None, [self._renewals.waiting, self._probation.waiting])]

    def _say(self, step: str) -> None:
        self._step = step
        self._log.debug(Event.STEPPED, step=step)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; an activation that has begun ends first, and any other program is killed."""
        with self.edges.generations.locks.service():
            self._run()

    def _run(self) -> None:
        self._signals, written = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self.wake(Wake.SIGNAL))
        spare_memory()
        with suppress(OSError):  # of a disk that is full or read-only; a pass says so
            self.edges.generations.prepare()
            self.edges.generations.sweep()
        self._watcher.start()
        self._control.start()
        self._guard.start()
        for outbox in self._outboxes:
            outbox.start()
        self._reporter.start()
        self._fetcher.start()
        self._log.info(Event.STARTED, pid=os.getpid())
        self.wake(Wake.START)
        try:
            with suppress(Stopping):
                self._loop()
        finally:
            systemd.notify("STOPPING=1")
            self._guard.stop()
            for outbox in self._outboxes:
                outbox.stop()
            self._fetcher.stop()
            self._control.stop()
            self._egress.stop()
            self._watcher.stop()
            self._slot.clear()
            self._log.info(Event.STOPPED)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self.edges.host.stop()
        self._queue.ring()

    def _loop(self) -> None:
        ready = False
        while not self._stopping:
            before = self.edges.journal.phase()
            reasons = self._queue.ready()
            self._work_safely(reasons)
            if held := self._queue.held_for(Wake.PUSH):
                wait = f"waits {math.ceil(held)} s: at most one reload in {self._queue.interval:g} s"
                self._board.begin(self._tip(), wait)
            after = self.edges.journal.phase()
            if reasons or after != before:  # not at each sleep: a busy mail log would delay it repeatedly
                due = min(self._last.due_in(after, self.edges.settings), self._renewals.due)
                self._due = time.monotonic() + due
            if after != before:
                self._log.info(Event.PHASE_CHANGED, **{**phase_data(after), "before": type(before).__name__})
            if not ready:
                systemd.notify("READY=1")
                ready = True
                gc.collect()
                gc.freeze()  # these objects stay; collecting over them took half the time of a large check
                gc.set_threshold(_YOUNG)
            if reasons:
                self._bound.rest()
                with suppress(OSError):  # without these copies, a stage makes its own
                    self.edges.generations.spares.renew(self.edges.generations.live())
            with Sleep(self._queue.bell) as sleep:
                self._arrange(sleep)
                self._wait(sleep)

    def _work_safely(self, reasons: Sequence[Wake]) -> None:
        """Do the work that is due; a bug in reconciler is logged and shown, and the daemon continues."""
        try:
            with internal_errors():
                self._work(reasons)
        except InternalError as error:
            for _ in self._news.begun("bug", [str(error)]):
                self._log.bug(str(error), error.traceback)
            self._last = replace(self._last, bug=str(error))

    def _work(self, reasons: Sequence[Wake]) -> None:
        """Do the work that is due: look at the probation, and make a pass for *reasons*."""
        if reasons or self._probation.at <= time.monotonic():
            self._prove()
        if reasons:
            follows = self.edges.settings.url is not None  # then the fetcher does it, because it waits for the remote
            self._last = replace(self._last, requests_wait=not follows and drain(self.edges, self._log))
            self._pass(reasons)
            self._prove()
            self._rearm()
            self._last = replace(self._last, bug="")
            self._news.begun("bug", [])

    # ---- asleep ------------------------------------------------------------------------------------------------------

    def _arrange(self, sleep: Sleep) -> None:
        """Give *sleep* everything that can end it; an event from before it was watched wakes at once."""
        self._control.renew()
        sleep.until_signal(self._signals)
        if interval := systemd.watchdog_interval():
            sleep.beat(interval / 2, partial(systemd.notify, "WATCHDOG=1"))
        sleep.until(Waker.TIMER, self._due)
        sleep.until(Waker.QUEUE, self._queue.next_at())
        generations = self.edges.generations
        master = self._master.pid()
        if master is None or not sleep.until_ended(Waker.MASTER, [master]):
            sleep.until(Waker.LOOK, time.monotonic() + LOOK_FOR_MASTER)
        # A running master that can't be watched, for lack of descriptors, is news only when it has ended.
        self._has_news = self._master.changed if master is None else lambda: self._master.pid() is None
        sleep.until_ended(Waker.COMPANION, generations.companions.processes())
        if (log := self._probation.watch()) is not None:
            sleep.until_readable(Waker.LOG, log)
        sleep.until(Waker.PROBATION, self._probation.at)
        if generations.companions.fell_silent(generations.live()) or (master is None and self._has_news()):
            self.wake(Wake.DRIFT)

    def _wait(self, sleep: Sleep) -> None:
        """Sleep until there is a reason to wake, or until a delayed reason or a look is due."""
        while not self._stopping and self._queue.empty:
            with self._guard.asleep():
                woken = sleep.wait()
            if Waker.BELL in woken:
                self._queue.silence()
            if Waker.SIGNAL in woken:  # its handler has already filled a slot
                os.read(self._signals, 4096)
            if Waker.LOG in woken:
                sleep.forget(Waker.LOG)
                self._probation.look_soon()
                sleep.until(Waker.PROBATION, self._probation.at)
            if Waker.LOOK in woken:
                sleep.until(Waker.LOOK, time.monotonic() + LOOK_FOR_MASTER)
            if Waker.MASTER in woken:
                self._master.ended()
            if woken & {Waker.MASTER, Waker.COMPANION} or (Waker.LOOK in woken and self._has_news()):
                self.wake(Wake.DRIFT)
            if Waker.TIMER in woken:
                self.wake(Wake.TIMER)
            if woken & {Waker.QUEUE, Waker.PROBATION}:
                return

    def _rearm(self) -> None:
        """Watch the live files, and the files that they name."""
        paths = {Path(path) for path in (*self._renewals.files, *self._slot.paths())}
        directory = self.edges.settings.config_directory
        outside = {path for path in paths if not path.is_relative_to(directory)}
        live, companions = self.edges.generations.live(), self.edges.generations.companions
        beside = {*companions.watched(live), *live.links} if live else set()
        beside |= {self.edges.settings.socket}
        files = {Wake.CERTIFICATE: outside, Wake.SECRET: {self.edges.settings.identity}, Wake.DRIFT: beside}
        self._watcher.watch_files(files)
        self._watcher.rearm()
        self._egress.follow()
        for limit in self._news.begun("watch", (*self._watcher.limits, *self._egress.limits)):
            self._log.warning(Event.WATCH_LOST, limit=limit)

    # ---- a pass ------------------------------------------------------------------------------------------------------

    def _pass(self, reasons: Sequence[Wake]) -> None:
        """Make one pass, and what follows from it."""
        self._log.debug(Event.WOKE, reasons=[reason.value for reason in reasons])
        memory, tip = self._slot.take(), self._tip()
        if Wake.SECRET in reasons:
            forget(self.edges, memory)  # a secret that could not be decrypted may be readable now
        passed = one_pass(self.edges, memory, reasons[0])
        self._step = ""
        self._last = self._last.recorded(passed)
        self._slot.put_back(memory)
        self._last = self._last.noted(passed)
        self._reporter.report(passed, reasons, tip)
        self._tell()
        activated = isinstance(passed.outcome, Applied | RolledBack | Broken) or passed.revived
        if taken_over := self._renewals.look(reasons, activated=activated):
            self._report_beside(taken_over, Wake.CERTIFICATE)
        for trouble in self._news.begun("waiting", self._waiting()):
            self._log.warning(Event.TROUBLED, text=trouble)
        systemd.notify(f"STATUS={type(self.edges.journal.phase()).__name__}: {told_of(passed).text}")

    def _tip(self) -> str:
        """Return the commit that the branch names, or an empty text if the branch can't be read."""
        try:
            tip = self.edges.repo.tip()
        except ReconcilerError:
            return ""
        return tip.oid if tip else ""

    def _report_beside(self, passed: Passed, wake: Wake) -> None:
        self._last = self._last.noted(passed)
        self._reporter.beside(passed, wake)
        self._tell()

    def _tell(self) -> None:
        """Have those outside get what a pass wrote; none of them delays the next one."""
        for outbox in self._outboxes:
            outbox.ring()
        self._fetcher.work()

    def _prove(self) -> None:
        """Check whether a commit on probation may stay live."""
        passed = self._probation.look()
        for why in self._news.begun("look", [self._probation.trouble]):
            self._log.warning(Event.LOOK_FAILED, why=why)
        for line in self._probation.doubted:
            self._log.warning(
                Event.LINE_DOUBTED, line=line, why="Postfix answers, and none of its processes wrote this"
            )
        if passed:
            self._report_beside(passed, Wake.TIMER)
            self.wake(Wake.TIMER)  # for commits that were pushed later
