"""The daemon's journal can be alarmed on: a week of trouble is one line for each thing that happened.

The passes are scripted, and all that decides what is recorded and logged is real: one_pass(), the journal and its
phases, the report, the headline and the log in systemd's format. A pass is made every five minutes for seven days.
"""

from __future__ import annotations

import errno
import io
import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from reconciler.daemon.progress import ProgressBoard
from reconciler.daemon.report import Reporter
from reconciler.desired.lint import SAME
from reconciler.host import log
from reconciler.host.attribution import Attribution
from reconciler.model import (
    Applied,
    Broken,
    Finding,
    Outcome,
    Postponed,
    Refused,
    RolledBack,
    Unchanged,
    Where,
    error_at,
)
from reconciler.model.phase import Halted, Refusing, Steady, Suspended, Wake
from reconciler.passes import run
from reconciler.passes.check import Memory
from reconciler.passes.choice import why_paused
from reconciler.passes.hand_edit import Found, Kept
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.record import Passed, concluded
from tests.unit.adopted_folder import Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSES = 7 * 24 * 12  # of a week, one every five minutes
TYPO = error_at("unknown-restriction", Where("mail.yaml", 5, 3), "no such restriction")
SILENT = Finding(rule="silent-server", where=Where("mail.yaml", 6), text="no server", subject="8891", lasting=False)
OTHER = replace(SILENT, text="no other server", subject="10040")
FAULT = Finding(rule="cause-in-traffic", where=Where("mail.yaml", 7), text="fatal: bad", subject="f", lasting=False)
GONE = Finding(rule="branch-deleted", where=Where("refs/heads/main"), text="gone", subject="main", lasting=False)
BROKEN = Finding(rule="broken-certificate", where=Where("/a.pem"), text="can't be used", subject="a", lasting=False)
EDIT = Kept(Found(("main.cf",), Attribution(who="ann", at=1.0)), ("main.cf",))


@dataclass
class Week:
    """A host whose passes are scripted, and the daemon's reporter; *next_pass* is what the passes do from now on."""

    adopted: Adopted
    commits: list[str]
    next_pass: Callable[[Passed], None] = lambda _: None
    once: list[Callable[[Passed], None]] = field(default_factory=list)
    full: bool = False

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the daemon anew, and make its first pass."""
        self.reporter = Reporter(self.adopted.edges, ProgressBoard(), log.get())
        self.reporter.start()
        self.make(Wake.START)

    def act(self, _edges: object, _memory: object, _accepted: object, passed: Passed) -> None:
        """Do what a pass does, instead of run._pass()."""
        passed.revision = self.commits[0]
        (self.once.pop(0) if self.once else self.next_pass)(passed)

    def make(self, wake: Wake = Wake.TIMER) -> None:
        """Make a pass and report it, as the daemon's loop does."""
        self.reporter.report(run.one_pass(self.adopted.edges, Memory(), wake), [wake])

    def push(self) -> None:
        """Have the branch name another commit."""
        self.commits.append(self.commits.pop(0))

    def beside(self, outcome: Outcome, wake: Wake, why: str = "") -> None:
        """Report what was done beside the passes, which is on record."""
        passed = Passed(outcome, self.commits[0])
        passed.conclusion = concluded(outcome, passed.revision, self.adopted.edges, wake, why=why)
        self.adopted.edges.journal.conclude(passed.conclusion)
        self.reporter.beside(passed, wake)


def ends(outcome: Outcome, *, quiet: bool = False, edit: Kept | None = None) -> Callable[[Passed], None]:
    def end(passed: Passed) -> None:
        passed.outcome, passed.quiet, passed.edit = outcome, quiet, edit or passed.edit
        if quiet and isinstance(outcome, Postponed):
            passed.revision = ""  # no commit is chosen in a pause

    return end


def revives(outcome: Outcome) -> Callable[[Passed], None]:
    def revive(passed: Passed) -> None:
        passed.outcome, passed.revived, passed.started = outcome, True, ["rspamd"]

    return revive


def waits_for_dpkg(passed: Passed) -> None:
    waits_for_dpkg.pid += 1  # type: ignore[attr-defined]
    passed.outcome = Postponed(f"dpkg (process {waits_for_dpkg.pid}) holds its lock")  # type: ignore[attr-defined]


waits_for_dpkg.pid = 1000  # type: ignore[attr-defined]


def has_a_bug(_: Passed) -> None:
    raise ZeroDivisionError


class Script:
    """What happens before which pass, and the lines that an administrator is to read about it."""

    def __init__(self) -> None:
        self.steps: dict[int, Callable[[Week], Wake | None]] = {}
        self.lines: list[tuple[int, str]] = []
        self.at = 6

    def then(self, do: Callable[[Week], Wake | None], *lines: tuple[int, str], lasts: int = 30) -> None:
        """Do that, and let it last for so many passes."""
        self.steps[self.at] = do
        self.lines += lines
        self.at += lasts

    def phase(self, outcome: Outcome, after: Outcome, *lines: tuple[int, str]) -> None:
        """Push what ends so, and let the passes after it end quietly as the phase makes them."""

        def do(week: Week) -> Wake:
            week.push()
            week.once, week.next_pass = [ends(outcome)], ends(after, quiet=True)
            return Wake.PUSH

        self.then(do, *lines)

    def lasting(self, act: Callable[[Passed], None], *lines: tuple[int, str], lasts: int = 30) -> None:
        """Let each pass do that."""
        self.then(lambda week: setattr(week, "next_pass", act), *lines, lasts=lasts)

    def well(self) -> None:
        """Push what goes live, and let all be well."""
        self.then(_well)

    def restart(self) -> None:
        """Restart the daemon in the midst of what lasts."""
        self.then(lambda week: week.start())


def _well(week: Week) -> Wake:
    week.push()
    week.adopted.edges.journal.set_phase(Steady())
    week.once, week.next_pass = [ends(Applied())], ends(Unchanged())
    return Wake.PUSH


def _in_phase(phase: Suspended, week: Week) -> Wake:
    week.adopted.edges.journal.set_phase(phase)
    week.next_pass = ends(Postponed(why_paused(phase)), quiet=True)
    return Wake.OPERATOR


def _full(week: Week, *, full: bool) -> None:
    week.full, week.next_pass = full, ends(Postponed("x") if full else Unchanged())


def _once(*acts: Callable[[Passed], None]) -> Callable[[Week], None]:
    return lambda week: setattr(week, "once", [*acts])


def script() -> Script:
    week, halted = Script(), Postponed(why_paused(Halted(str(FAULT))))
    week.well()
    week.phase(Refused((TYPO,)), Refused((TYPO,)), (4, "refused .*no such restriction"))
    week.restart()
    week.then(_once(ends(Applied(), edit=EDIT)), (4, "reverted a hand edit of main.cf"))
    week.well()
    week.lasting(ends(Unchanged((SILENT,))), (3, "no server"))
    week.lasting(ends(Unchanged((SILENT, OTHER))), (3, r"no server \(and 1 more\)"))
    week.then(_once(ends(Applied((SILENT.as_warning(SAME), OTHER.as_warning(SAME))))))
    week.lasting(ends(Unchanged()))
    week.lasting(ends(Unchanged((SILENT,))), (3, "no server"))
    week.well()
    week.lasting(waits_for_dpkg, (4, "postponed .*holds its lock"))
    week.restart()
    week.then(
        _once(revives(Postponed("dpkg (process 7) holds its lock"))), (3, "Postfix had died and was started; rspamd")
    )
    week.lasting(ends(Refused((GONE,))), (4, "refused .*gone"))
    week.well()
    for _ in range(2):
        week.then(_once(revives(Unchanged())), (3, "Postfix had died and was started; rspamd had died"))
        week.then(_once(ends(Applied(), edit=EDIT)), (4, "reverted a hand edit of main.cf"))
    week.lasting(ends(Unchanged(), quiet=True, edit=EDIT), (4, "edited by hand: main.cf"))
    week.well()
    week.phase(RolledBack((FAULT,)), Refused((FAULT,)), (3, "rolled back .*fatal: bad"))
    week.well()
    week.then(lambda one: one.beside(RolledBack((FAULT,)), Wake.TIMER), (3, "rolled back .*fatal: bad"), lasts=1)
    week.then(_refusing)
    week.restart()
    week.well()
    week.then(lambda one: one.beside(Unchanged((BROKEN,)), Wake.CERTIFICATE, "not reloaded"), (3, "can't be used; not"))
    week.then(lambda one: one.beside(Unchanged(), Wake.CERTIFICATE, "reloaded for /a.pem"))
    week.phase(Broken((FAULT,)), halted, (2, "HALTED: .*fatal: bad"))
    week.restart()
    week.well()
    for who in ("ann", "bob"):
        week.then(partial(_in_phase, Suspended("a move", who)), (4, f"suspended by {who}: a move"))
        week.restart()
    week.well()
    week.then(lambda one: _full(one, full=True), (4, "No space left"))
    week.then(lambda one: _full(one, full=False))
    week.lasting(has_a_bug, (3, "a bug in reconciler: ZeroDivisionError"))
    week.well()
    week.then(_once(ends(Applied((), {"site12": ""}))), (4, "site12 is left out"))
    while week.at < PASSES - 60:
        week.well()
    return week


def _refusing(week: Week) -> None:
    week.adopted.edges.journal.set_phase(Refusing(week.commits[0]))
    week.next_pass = ends(Refused((FAULT,)), quiet=True)


@pytest.fixture
def week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Week, io.StringIO]:
    facts_are(HOST, monkeypatch)
    adopted, stream = Adopted.made_in(tmp_path), io.StringIO()
    commits = [adopted.commit(f"hostname: mx{number}.test.example\n") for number in range(3)]
    adopted.go_live(judge(commits[0], adopted.edges, LiveCommit(adopted.edges)))
    log.configure("journal", stream)
    made: list[Week] = []
    monkeypatch.setattr(run, "_pass", lambda *around: made[0].act(*around) if made else None)
    append = adopted.edges.host.append

    def appended(path: Path, data: bytes) -> None:
        if made and made[0].full:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(path, data)

    monkeypatch.setattr(adopted.edges.host, "append", appended)
    made.append(Week(adopted, [one.oid for one in commits]))
    return made[0], stream


def test_a_week_of_trouble_is_one_line_for_each_thing_that_happened(week: tuple[Week, io.StringIO]) -> None:
    host, stream = week
    planned = script()
    for number in range(PASSES):
        act = planned.steps.get(number)
        host.make((act(host) if act else None) or Wake.TIMER)

    alarms = [line for line in stream.getvalue().splitlines() if int(line[1]) <= log.Priority.WARNING]
    told = [(int(line[1]), line[3:]) for line in alarms]

    assert [number for number, _ in told] == [number for number, _ in planned.lines], "\n".join(alarms)
    for (_, line), (_, wanted) in zip(told, planned.lines, strict=True):
        assert re.search(wanted, line), (line, wanted)
