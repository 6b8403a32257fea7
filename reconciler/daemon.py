"""The loop, no more: it waits for a reason to wake, makes one pass, and tells those who follow.

One slot for each reason to wake, so that a storm of pushes is one pass for the latest. While nothing happens the daemon
sleeps in one poll(2), which ends by a wake, the end of Postfix's master, the resync timer, a retry that is due, or
systemd's watchdog. Raises Unavailable when another daemon has the socket.
"""

from __future__ import annotations

import ctypes
import gc
import os
import queue
import select
import signal
import threading
import time
import traceback
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.apply import died
from reconciler.control import Control
from reconciler.errors import ReconcilerError, WithFindings
from reconciler.handedit import rules_end
from reconciler.journal import phase_data
from reconciler.log import Event, get
from reconciler.model import Postponed, Superseded, Wake
from reconciler.passes import Passed, one_pass
from reconciler.phase import FIRST_PAUSE, Suspended, pause
from reconciler.programs import postfix, systemd
from reconciler.reconcile import Memory, check, forget
from reconciler.report import change_lines, finding_lines, flow_line, outcome_lines
from reconciler.status import status
from reconciler.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.apply import Edges
    from reconciler.control import Message
    from reconciler.model import Change, Finding

FOLLOW, HEARTBEAT = 115.0, 1.0
TRANSCRIPTS = 64
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX, _LARGE = -1, -3, -8, 128 << 10  # <malloc.h>
LOOK_FOR_MASTER = 2.0  # seconds, while Postfix is stopped


@dataclass(slots=True)
class Transcript:
    """What is told about one revision, line by line, until its pass has ended."""

    lines: list[str] = field(default_factory=list)
    done: str = ""


class Daemon:
    """Keeps one host equal to one branch."""

    def __init__(self, edges: Edges) -> None:
        self.edges = replace(edges, say=self._say)
        settings = edges.settings
        self._log = get(host=settings.host)
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._woken: queue.SimpleQueue[Wake] = queue.SimpleQueue()  # unlike a lock, safe in a signal handler
        self._stopping = False
        self._news = threading.Condition()
        self._transcripts: OrderedDict[str, Transcript] = OrderedDict()
        self._current = ""
        self._unrecorded = ""
        self._lost_note = ""
        self._mourned: int | None = None
        self._memory: Memory | None = None
        self._memory_lock = threading.Lock()
        links = [settings.config_directory, edges.generations.link]
        self._watcher = Watcher(settings.repository, settings.branch, links, self.wake)
        handlers = {"check": self._check, "follow": self._follow, "status": self._status, "wake": self._poke}
        self._control = Control(settings.socket, settings.group, handlers, settings.repository)

    # ---- waking ------------------------------------------------------------------------------------------------------

    def wake(self, reason: Wake) -> None:
        """Fill that reason's slot; safe from any thread and from a signal handler."""
        self._woken.put(reason)
        os.eventfd_write(self._bell, 1)

    def _reasons(self) -> list[Wake]:
        """Empty the slots: each reason once, however often it came."""
        reasons = set()
        while not self._woken.empty():
            reasons.add(self._woken.get())
        return sorted(reasons)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self.wake(Wake.SIGNAL))
        _spare_memory()
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
            self._watcher.stop()
            with self._memory_lock:
                if self._memory:
                    forget(self.edges, self._memory)
            self._log.info(Event.STOPPED)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        os.eventfd_write(self._bell, 1)

    def _loop(self) -> None:
        ready = False
        while not self._stopping:
            if reasons := self._reasons():
                before = self.edges.journal.phase()
                self._pass(reasons)
                if (after := self.edges.journal.phase()) != before:
                    self._log.info(Event.PHASE_CHANGED, **{**phase_data(after), "before": type(before).__name__})
                self._watcher.rearm()
                for limit in self._watcher.limits:
                    self._log.warning(Event.WATCH_LOST, limit=limit)
            if not ready:
                systemd.notify("READY=1")
                ready = True
                gc.collect()
                gc.freeze()  # what is here by now stays; looking through it took half of the time of a large lint
            self._wait()

    def _wait(self) -> None:
        """Sleep until something happens; what was due by time fills the timer's slot."""
        watchdog = systemd.watchdog_interval()
        due = time.monotonic() + self._due()
        with self._master() as master:
            poll = select.poll()
            poll.register(self._bell, select.POLLIN)
            if master is not None:
                poll.register(master, select.POLLIN)
            if master is None and self._changed():
                self._woken.put(Wake.DRIFT)
            while not self._stopping and self._woken.empty():
                left = due - time.monotonic()
                if left <= 0:
                    self._woken.put(Wake.TIMER)
                    return
                pauses = [left, watchdog / 2 if watchdog else left, left if master is not None else LOOK_FOR_MASTER]
                happened = dict(poll.poll(1000 * min(pauses)))
                if watchdog:
                    systemd.notify("WATCHDOG=1")
                if self._bell in happened:
                    with suppress(BlockingIOError):
                        os.eventfd_read(self._bell)
                if self._changed() if master is None else master in happened:
                    self._woken.put(Wake.DRIFT)

    def _due(self) -> float:
        """Seconds until the next pass by time alone."""
        phase = self.edges.journal.phase()
        due = min(self.edges.settings.resync, pause(phase) or self.edges.settings.resync)
        if self._unrecorded:
            due = min(due, FIRST_PAUSE)
        due = min(due, rules_end(self.edges))
        if isinstance(phase, Suspended) and phase.until:
            due = min(due, max((phase.until - datetime.now(UTC)).total_seconds(), 0.1))
        return due

    def _master(self) -> _Descriptor:
        """A descriptor that can be read once Postfix's master has ended; none while it does not run."""
        try:
            pid = postfix.running(self.edges.postfix())
            return _Descriptor(os.pidfd_open(pid) if pid else None)
        except (ReconcilerError, OSError):
            return _Descriptor(None)

    def _changed(self) -> bool:
        """Whether somebody started Postfix, whose end must be noticed from then on, or it died before we looked.

        A death is told once: a pass that could not start it again is for the timer to repeat.
        """
        try:
            instance = self.edges.postfix()
            pid = postfix.last_pid(instance)
            if postfix.running(instance) is not None:
                return True
            if pid == self._mourned or not died(self.edges):
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
        try:
            tip = self.edges.repo.tip()
            self._current = tip.oid if tip else ""
        except ReconcilerError:
            self._current = ""
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
        self._lost_note = passed.lost_note if passed.line else self._lost_note
        if passed.lost_note:
            self._log.warning(Event.NOTE_LOST, why=passed.lost_note)
        self._tell(passed)
        self._canonical(passed, reasons)
        systemd.notify(
            f"STATUS={type(self.edges.journal.phase()).__name__}: {type(passed.outcome).__name__} {passed.revision[:7]}"
        )

    def _canonical(self, passed: Passed, reasons: Sequence[Wake]) -> None:
        """The one line of a pass; one that came by itself and found nothing shows only when debugging."""
        asked = set(reasons) - {Wake.DRIFT, Wake.TIMER}
        write = self._log.info if passed.line or passed.edit.is_news or asked else self._log.debug
        findings = getattr(passed.outcome, "findings", ())
        write(
            Event.PASSED,
            outcome=type(passed.outcome).__name__,
            revision=passed.revision[:7],
            seconds=round(passed.seconds, 3),
            reasons=[reason.value for reason in reasons],
            **passed.edit.record,
            revived=passed.revived,
            recovered=passed.recovered is not None,
            findings=[str(finding) for finding in findings],
            reason=getattr(passed.outcome, "reason", None),
        )

    def _tell(self, passed: Passed) -> None:
        live = self.edges.generations.live()
        number, short = (live.number, live.revision[:7] or live.source) if live else (None, "")
        with self._news:
            for one in passed.superseded:
                self._end(one.oid, list(outcome_lines(Superseded(passed.revision), 0, number, short)), "superseded")
            lines = list(outcome_lines(passed.outcome, passed.seconds, number, short))
            oid = passed.revision or (self._current if isinstance(passed.outcome, Postponed) else "")
            if oid and (passed.line or not self._transcript(oid).done):  # a pass without news ends nothing twice
                self._end(oid, lines, type(passed.outcome).__name__.lower())
            self._current = ""
            self._news.notify_all()

    def _end(self, oid: str, lines: list[str], done: str) -> None:
        transcript = self._transcript(oid)
        transcript.lines = lines if transcript.done else [*transcript.lines, *lines]
        transcript.done = done

    def _transcript(self, oid: str) -> Transcript:
        transcript = self._transcripts.setdefault(oid, Transcript())
        self._transcripts.move_to_end(oid)
        while len(self._transcripts) > TRANSCRIPTS:
            self._transcripts.popitem(last=False)
        return transcript

    def _say(self, step: str) -> None:
        self._log.debug(Event.STEPPED, step=step)

    # ---- what others ask ---------------------------------------------------------------------------------------------

    def _check(self, request: Message) -> Iterator[Message]:
        """pre-receive: everything up to the swap, and what was computed is kept for the pass."""
        settings, repo = self.edges.settings, self.edges.repo
        if request.get("quarantine"):
            repo = repo.with_quarantine(Path(str(request["quarantine"])))
        revision = repo.revision(str(request["new"]))
        memory = Memory()
        with self._news:
            self._transcripts.pop(revision.oid, None)  # of an earlier push of the same commit
        yield {"line": f"{settings.host}   {revision.short}  {revision.subject}"}
        yield {"line": ""}
        began = time.monotonic()
        try:
            judged = check(revision, replace(self.edges, repo=repo), memory)
        except WithFindings as error:
            yield from ({"line": f"  {line}"} for line in finding_lines(error.findings))
            yield from self._refusal()
            return
        yield from ({"line": line} for line in _told(judged.plan.changes, judged.findings))
        self._log.info(Event.CHECKED, revision=revision.short, changes=len(judged.plan.changes))
        needs = ", ".join(step.value for step in judged.plan.steps) or "nothing"
        how = "checked and rehearsed" if judged.stage and judged.stage.rehearsed else "checked"
        told = f"      {flow_line(judged.flows, judged.findings)}" if judged.flows else ""
        yield {"line": f"  needs: {needs}{told}      {how} in {time.monotonic() - began:.1f} s"}
        with self._memory_lock:
            if self._memory:
                forget(self.edges, self._memory)
            self._memory = memory
        yield {"done": {"status": "checked"}}

    def _refusal(self) -> Iterator[Message]:
        live = self.edges.generations.live()
        stays = (
            f"generation {live.number} ({live.revision[:7] or live.source}) stays live" if live else "not adopted yet"
        )
        yield {"line": ""}
        yield {"line": f"  refused, nothing changed: {stays}"}
        yield {"done": {"status": "refused"}}

    def _follow(self, request: Message) -> Iterator[Message]:
        """post-receive: wake, then tell how that commit's pass goes until it has ended."""
        oid, sent, deadline = str(request["revision"]), 0, time.monotonic() + FOLLOW
        with self._news:
            transcript = self._transcript(oid)
        self.wake(Wake.PUSH)
        while True:
            with self._news:
                if len(transcript.lines) == sent and not transcript.done:
                    self._news.wait(HEARTBEAT)
                lines, done = transcript.lines[sent:], transcript.done
            yield {}
            yield from ({"line": line} for line in lines)
            sent += len(lines)
            if not done and time.monotonic() >= deadline:
                yield {"line": "not concluded yet: `reconciler status` on the host says how it fares"}
                done = "pending"
            if done:
                yield {"done": {"status": done}}
                return

    def _status(self, _: Message) -> Iterator[Message]:
        trouble = [f"nothing can be recorded: {self._unrecorded}"] if self._unrecorded else []
        trouble += [f"not written: {self._lost_note}"] if self._lost_note else []
        yield {"done": status(self.edges, [*self._watcher.limits, *trouble], daemon=True)}

    def _poke(self, request: Message) -> Iterator[Message]:
        self.wake(Wake(str(request.get("reason", Wake.OPERATOR))))
        yield {"done": {}}


def _spare_memory() -> None:
    """Have glibc give back what a large table took: it is mapped, and all threads share one heap (mallopt(3))."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, _LARGE)):
            mallopt(name, value)


class _Descriptor:
    """A file descriptor that may be none, closed at the end of a with."""

    def __init__(self, number: int | None) -> None:
        self._number = number

    def __enter__(self) -> int | None:
        return self._number

    def __exit__(self, *_: object) -> None:
        if self._number is not None:
            os.close(self._number)


def _told(changes: Sequence[Change], findings: Sequence[Finding]) -> Iterator[str]:
    yield from change_lines(changes)
    if not changes:
        yield "  no changes for this host"
    yield from (f"  {line}" for line in finding_lines(findings))
    yield ""
