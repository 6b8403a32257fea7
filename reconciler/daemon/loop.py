"""The loop, no more: it waits for a reason to wake, makes one pass, and tells those who follow.

One slot for each reason to wake, so that a storm of pushes is one pass for the latest; and however many reasons there
are, Postfix is reloaded no faster than the settings say, unless its master is dead. While nothing happens the daemon
sleeps in one poll(2), which ends by a wake, the end of Postfix's master, the resync timer, a retry that is due, a line
in the mail log while a commit is on probation, or systemd's watchdog. Raises Unavailable when another daemon has the
socket.
"""

from __future__ import annotations

import gc
import math
import os
import select
import signal
import threading
import time
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.apply.activate import died
from reconciler.daemon.control import Control
from reconciler.daemon.descriptors import Descriptor, Ends
from reconciler.daemon.egress_log import Refusals
from reconciler.daemon.malloc import spare_memory
from reconciler.daemon.probation_watch import ProbationWatch
from reconciler.daemon.progress import ProgressBoard
from reconciler.daemon.wake_queue import WakeQueue
from reconciler.daemon.watch import Watcher
from reconciler.host.log import Event, get
from reconciler.host.programs import postfix, systemd
from reconciler.model import Applied, Broken, Postponed, RolledBack, Superseded
from reconciler.model.errors import ReconcilerError, WithFindings
from reconciler.model.phase import FIRST_PAUSE, Suspended, Wake, pause
from reconciler.passes.check import Memory, check, forget
from reconciler.passes.hand_edit import rules_end
from reconciler.passes.record import Passed
from reconciler.passes.renewal import Named, named, remember, renew
from reconciler.passes.run import one_pass
from reconciler.passes.site_requests import drain
from reconciler.passes.status import phase_data, provisional, status
from reconciler.state.records import edited_line
from reconciler.trees.report import finding_lines, flow_line, needs, outcome_lines, push_lines

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from reconciler.apply.edges import Edges
    from reconciler.daemon.control import Message

LOOK_FOR_MASTER = 2.0  # seconds, while Postfix is stopped
_RENEWING = {Wake.START, Wake.TIMER, Wake.SIGNAL, Wake.CERTIFICATE}


class Daemon:
    """Keeps one host equal to one branch."""

    def __init__(self, edges: Edges) -> None:
        settings = edges.settings
        self._queue = WakeQueue(settings.reload_interval, self._runs)
        self.edges = replace(edges, say=self._say, activated=self._queue.reloaded)
        self._probation = ProbationWatch(self.edges)
        self._log = get(host=settings.host)
        self._stopping = self._busy = False
        self._named: Named | None = None
        self._progress = ProgressBoard()
        self._current = ""
        self._unrecorded = ""
        self._lost_note = ""
        self._mourned: int | None = None
        self._memory: Memory | None = None
        self._memory_lock = threading.Lock()
        links = [settings.config_directory, edges.generations.link]
        told = partial(self._log.warning, Event.OUTBOUND_REFUSED)
        self._refusals = Refusals(edges.generations.link.parent, told, partial(self.wake, Wake.DRIFT))
        self._watcher = Watcher(settings.repository, settings.branch, links, self.wake)
        handlers = {"check": self._check, "follow": self._follow, "status": self._status, "wake": self._poke}
        self._control = Control(settings.socket, settings.group, handlers, settings.repository)

    def wake(self, reason: Wake) -> None:
        """Fill that reason's slot; safe from any thread and from a signal handler."""
        self._queue.wake(reason)

    def _runs(self) -> bool:
        try:
            return postfix.running(self.edges.postfix()) is not None
        except (ReconcilerError, OSError):
            return False

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self.wake(Wake.SIGNAL))
        spare_memory()
        self.edges.generations.prepare()
        self.edges.generations.sweep()
        self._watcher.start()
        self._control.start()
        self._log.info(Event.STARTED, pid=os.getpid())
        self.wake(Wake.START)
        try:
            self._loop()
        finally:
            systemd.notify("STOPPING=1")
            self._control.stop()
            self._refusals.stop()
            self._watcher.stop()
            with self._memory_lock:
                if self._memory:
                    forget(self.edges, self._memory)
            self._log.info(Event.STOPPED)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self._queue.ring()

    def _loop(self) -> None:
        ready = False
        while not self._stopping:
            before = self.edges.journal.phase()
            reasons = self._queue.ready()
            if reasons or self._probation.at <= time.monotonic():
                self._prove()
            if reasons:
                self._busy = drain(self.edges, self._log)
                self._pass(reasons)
                self._prove()
                self._rearm()
            if held := self._queue.held_for(Wake.PUSH):
                wait = f"waits {math.ceil(held)} s: at most one reload in {self._queue.interval:g} s"
                self._progress.begin(self._tip(), wait)
            if (after := self.edges.journal.phase()) != before:
                self._log.info(Event.PHASE_CHANGED, **{**phase_data(after), "before": type(before).__name__})
            if not ready:
                systemd.notify("READY=1")
                ready = True
                gc.collect()
                gc.freeze()  # what is here by now stays; looking through it took half of the time of a large lint
            self._wait()

    def _tip(self) -> str:
        """The commit that the branch names; empty when it can't be told."""
        try:
            tip = self.edges.repo.tip()
        except ReconcilerError:
            return ""
        return tip.oid if tip else ""

    def _rearm(self) -> None:
        """Watch what is live now, and the files that it names."""
        paths = {Path(path) for path in (*(self._named.files if self._named else ()), *self._asked())}
        directory = self.edges.settings.config_directory
        outside = {path for path in paths if not path.is_relative_to(directory)}
        live, companions = self.edges.generations.live(), self.edges.generations.companions
        beside = companions.watched(live) if live else set()
        named = {Wake.CERTIFICATE: outside, Wake.SECRET: {self.edges.settings.identity}, Wake.DRIFT: beside}
        self._watcher.watch_files(named)
        self._watcher.rearm()
        self._refusals.follow()
        for limit in (*self._watcher.limits, *self._refusals.limits):
            self._log.warning(Event.WATCH_LOST, limit=limit)

    def _asked(self) -> Sequence[str]:
        """The paths whose existence was judged last: what was missing may come."""
        with self._memory_lock:
            checked = self._memory.checked if self._memory else None
            return list(checked.judged.understood.facts.files) if checked else []

    def _wait(self) -> None:
        """Sleep until something happens; what was due by time fills the timer's slot."""
        watchdog = systemd.watchdog_interval()
        due = time.monotonic() + self._due()
        generations = self.edges.generations
        companions = Ends(generations.companions.processes())
        with self._master() as master, self._probation.watch() as logged, companions as beside:
            poll = select.poll()
            poll.register(self._queue.bell, select.POLLIN)
            if logged is not None:
                poll.register(logged, select.POLLIN)
            for one in (master, *beside):
                if one is not None:
                    poll.register(one, select.POLLIN)
            if generations.companions.fell_silent(generations.live()) or (master is None and self._changed()):
                self.wake(Wake.DRIFT)
            while not self._stopping and self._queue.empty:
                now, soon = time.monotonic(), min(self._probation.at, self._queue.next_at())
                if due <= now:
                    self.wake(Wake.TIMER)
                if min(due, soon) <= now:
                    return
                rest = min(due, soon) - now
                pauses = [rest, watchdog / 2 if watchdog else rest, rest if master is not None else LOOK_FOR_MASTER]
                happened = dict(poll.poll(1000 * min(pauses)))
                if watchdog:
                    systemd.notify("WATCHDOG=1")
                if any(one in happened for one in beside):
                    self.wake(Wake.DRIFT)
                self._happened(happened, master, poll, logged)

    def _happened(self, happened: Container[int], master: int | None, poll: select.poll, logged: int | None) -> None:
        """Fill the slots of what ended a sleep."""
        if self._queue.bell in happened:
            self._queue.silence()
        if logged is not None and logged in happened:
            poll.unregister(logged)
            self._probation.look_soon()
        if self._changed() if master is None else master in happened:
            self.wake(Wake.DRIFT)

    def _due(self) -> float:
        """Seconds until the next pass by time alone."""
        phase = self.edges.journal.phase()
        due = min(self.edges.settings.resync, pause(phase) or self.edges.settings.resync)
        if self._unrecorded or self._busy:
            due = min(due, FIRST_PAUSE)
        due = min(due, rules_end(self.edges.settings.drift_ignore))
        if isinstance(phase, Suspended) and phase.until:
            due = min(due, max((phase.until - datetime.now(UTC)).total_seconds(), 0.1))
        return due

    def _master(self) -> Descriptor:
        """A descriptor that can be read once Postfix's master has ended; none while it does not run."""
        try:
            pid = postfix.running(self.edges.postfix())
            return Descriptor(os.pidfd_open(pid) if pid else None)
        except (ReconcilerError, OSError):
            return Descriptor(None)

    def _changed(self) -> bool:
        """Whether somebody started Postfix, whose end must be noticed from then on, or it died before we looked.

        A death is told once: a pass that could not start it again is for the timer to repeat.
        """
        try:
            instance = self.edges.postfix()
            pid = postfix.last_pid(instance)
            if postfix.running(instance) is not None:
                return True
            if pid == self._mourned or not died(instance, self.edges.host):
                return False
        except (ReconcilerError, OSError):
            return False
        self._mourned = pid
        return True

    # ---- a pass ------------------------------------------------------------------------------------------------------

    def _pass(self, reasons: Sequence[Wake]) -> None:
        """One pass; whatever it raises is our own bug, told in full and survived."""
        self._log.debug(Event.WOKE, reasons=[reason.value for reason in reasons])
        with self._memory_lock:
            memory, self._memory = self._memory or Memory(), None
        self._current = self._tip()
        if Wake.SECRET in reasons:
            forget(self.edges, memory)  # what could not be opened may be open now
        try:
            passed = one_pass(self.edges, memory, reasons[0])
        except Exception as error:  # noqa: BLE001 - our own bug must not stop the watch over mail
            self._log.error(Event.FAILED, traceback=traceback.format_exc())
            passed = Passed(Postponed(f"a bug in reconciler: {error!r}"), self._current, quiet=True)
        self._unrecorded = str(getattr(passed.outcome, "reason", "")) if passed.unrecorded else ""
        with self._memory_lock:
            if self._memory is None:
                self._memory = memory
            else:
                forget(self.edges, memory)
        self._report(passed, reasons)
        activated = isinstance(passed.outcome, Applied | RolledBack | Broken) or passed.revived
        self._renew(reasons, activated=activated)
        systemd.notify(
            f"STATUS={type(self.edges.journal.phase()).__name__}: {type(passed.outcome).__name__} {passed.revision[:7]}"
        )

    def _report(self, passed: Passed, reasons: Sequence[Wake]) -> None:
        """Tell whoever follows, and the log."""
        self._lost_note = passed.lost_note if passed.conclusion else self._lost_note
        if passed.lost_note:
            self._log.warning(Event.NOTE_LOST, why=passed.lost_note)
        self._tell(passed)
        self._canonical(passed, reasons)

    def _canonical(self, passed: Passed, reasons: Sequence[Wake]) -> None:
        """The one line of a pass; one that came by itself and found nothing shows only when debugging."""
        asked = set(reasons) - {Wake.DRIFT, Wake.TIMER}
        write = self._log.info if passed.conclusion or passed.edit.is_news or asked else self._log.debug
        findings = getattr(passed.outcome, "findings", ())
        write(
            Event.PASSED,
            outcome=type(passed.outcome).__name__,
            revision=passed.revision[:7],
            seconds=round(passed.seconds, 3),
            reasons=[reason.value for reason in reasons],
            **edited_line(passed.edit.record),
            revived=passed.revived,
            recovered=passed.recovered is not None,
            findings=[str(finding) for finding in findings],
            reason=getattr(passed.outcome, "reason", None),
        )

    def _tell(self, passed: Passed) -> None:
        live = self.edges.generations.live()
        number, short = (live.number, live.revision[:7] or str(live.source)) if live else (None, "")
        for one in passed.superseded:
            lines = list(outcome_lines(Superseded(passed.revision), 0, number, short))
            self._progress.end(one.oid, lines, "superseded")
        lines = list(outcome_lines(passed.outcome, passed.seconds, number, short))
        if isinstance(passed.outcome, Applied):
            lines += provisional(self.edges)
        oid = passed.revision or (self._current if isinstance(passed.outcome, Postponed) else "")
        if oid and (passed.conclusion or not self._progress.ended(oid)):  # a pass without news ends nothing twice
            self._progress.end(oid, lines, type(passed.outcome).__name__.lower())
        self._current = ""

    def _say(self, step: str) -> None:
        self._log.debug(Event.STEPPED, step=step)

    # ---- probation and renewal ---------------------------------------------------------------------------------------

    def _prove(self) -> None:
        """Look whether a commit on probation may stay."""
        passed = self._probation.look()
        if self._probation.trouble:
            self._log.warning(Event.LOOK_FAILED, why=self._probation.trouble)
        if passed:
            self._report(passed, [Wake.TIMER])
            self.wake(Wake.TIMER)  # for what was pushed on top

    def _renew(self, reasons: Sequence[Wake], *, activated: bool) -> None:
        """Have Postfix take over certificates that were renewed, unless it has just read all there is."""
        if not self.edges.generations.adopted:
            return
        try:
            if self._named is None or activated:
                self._named = named(self.edges)
            if activated:
                remember(self.edges, self._named.files)
            elif _RENEWING & set(reasons) and (passed := renew(self.edges, self._named)):
                self._report(passed, [Wake.CERTIFICATE])
        except (ReconcilerError, OSError) as error:
            self._log.warning(Event.LOOK_FAILED, why=str(error))

    # ---- what others ask ---------------------------------------------------------------------------------------------

    def _check(self, request: Message) -> Iterator[Message]:
        """pre-receive: everything up to the swap, and what was computed is kept for the pass."""
        settings, repo = self.edges.settings, self.edges.repo
        if request.get("quarantine"):
            repo = repo.with_quarantine(Path(str(request["quarantine"])))
        revision = repo.revision(str(request["new"]))
        memory = Memory()
        self._progress.forget(revision.oid)
        yield {"line": f"{settings.host}   {revision.short}  {revision.subject}"}
        yield {"line": ""}
        began = time.monotonic()
        try:
            checked = check(revision, replace(self.edges, repo=repo), memory)
        except WithFindings as error:
            yield from ({"line": f"  {line}"} for line in finding_lines(error.findings))
            yield from self._refusal()
            return
        judged, findings = checked.judged, checked.findings
        yield from ({"line": line} for line in push_lines(judged.plan.changes, findings))
        self._log.info(Event.CHECKED, revision=revision.short, changes=len(judged.plan.changes))
        how = "checked and rehearsed" if checked.rehearsed else "checked"
        told = f"      {flow_line(judged.flows, findings, played=checked.rehearsed)}" if judged.flows else ""
        yield {"line": f"  needs: {needs(judged.plan)}{told}      {how} in {time.monotonic() - began:.1f} s"}
        with self._memory_lock:
            if self._memory:
                forget(self.edges, self._memory)
            self._memory = memory
        yield {"done": {"status": "checked"}}

    def _refusal(self) -> Iterator[Message]:
        live = self.edges.generations.live()
        stays = f"generation {live.number} ({live.name}) stays live" if live else "not adopted yet"
        yield {"line": ""}
        yield {"line": f"  refused, nothing changed: {stays}"}
        yield {"done": {"status": "refused"}}

    def _follow(self, request: Message) -> Iterator[Message]:
        """post-receive: wake, then tell how that commit's pass goes until it has ended."""
        lines = self._progress.follow(str(request["revision"]))
        self.wake(Wake.PUSH)
        yield from lines

    def _status(self, _: Message) -> Iterator[Message]:
        trouble = [f"nothing can be recorded: {self._unrecorded}"] if self._unrecorded else []
        trouble += [f"not written: {self._lost_note}"] if self._lost_note else []
        yield {"done": status(self.edges, [*self._watcher.limits, *trouble], daemon=True)}

    def _poke(self, request: Message) -> Iterator[Message]:
        self.wake(Wake(str(request.get("reason", Wake.OPERATOR))))
        yield {"done": {}}
