"""A look at the mail log while a commit is on probation: what speaks against the commit.

Promises: only log lines of this instance's own daemons count, and only what the log did not show before the commit. Two
things speak against it: a fault of our own configuration (postfix/own_faults.py), at once or if it lasts
(postfix/sightings.py), and the share of mail for own recipients that is turned away (postfix/turned_away.py). A fault
that another commit was rolled back for does not count as shown before.

Raises OSError as the kernel gives it, CommandFailed when the journal cannot be read. Known limits: the log before the
commit is its last megabyte; a cause in it is excused, even if it is more frequent since. A milter, a database or a mail
store that begins to fail in these minutes by itself looks like the commit's fault.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.apply.activate import probe
from reconciler.apply.compare import REFUSED, WAITS
from reconciler.apply.verify import log_names
from reconciler.host.maillog import Mark, open_log
from reconciler.host.programs import postfix
from reconciler.model import UNWRITTEN, Broken, Finding, RolledBack
from reconciler.model.ascii_text import split_lines, split_words
from reconciler.postfix.log import of_daemons, since_activation, steady, until_activation
from reconciler.postfix.own_faults import Helpers, Weight, causes, key, own_faults
from reconciler.postfix.quoting import without_quotes
from reconciler.postfix.sightings import Sightings
from reconciler.postfix.syntax import read_master
from reconciler.postfix.turned_away import TurnedAway

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.model import Outcome
    from reconciler.model.phase import Probation
    from reconciler.postfix.log import LogLine

RULE = "cause-in-traffic"
LOGGED = frozenset({RULE, "turned-away"})  # findings that quote the log
_CONDEMNING = frozenset({RULE, "fatal-in-log", WAITS, REFUSED})
_REMEMBERED = 200
_LOGGED = "logged: "


class Look:
    """The part of the mail log that was read for one probation; each line is read once."""

    def __init__(self, running: Probation, edges: Edges) -> None:
        self.running, self._edges = running, edges
        self.log = open_log(edges.host, edges.postfix().values)
        self._seen = Mark(*running.mark)
        self._names = _names(edges)
        self._daemons: set[int] = set()
        self._helpers, self._sightings = Helpers(), Sightings()
        self._found: dict[tuple[str, str], LogLine] = {}
        self.doubted: dict[tuple[str, str], LogLine] = {}
        before: list[str] = []
        if running.watched:  # what the configuration before logged after the mark is of before, too
            before = [*self.log.before(self._seen), *until_activation(self.log.since(self._seen), self._names)]
        self._known = self._excused(before)
        self._shares = TurnedAway(of_daemons(before, self._names))

    def is_of(self, running: Probation) -> bool:
        """Return whether this is the look for that probation; its generation number and end time may have changed."""
        return (self.running.revision, self.running.mark) == (running.revision, running.mark)

    @property
    def watches(self) -> bool:
        """Whether there is a log to read."""
        return self.running.watched and not self.log.limit

    @property
    def behind(self) -> bool:
        """Whether anything was logged that was not read yet."""
        return self.running.watched and self.log.mark() != self._seen

    def due(self, now: float) -> float:
        """Return the seconds until the next look that may find more, although nothing is logged; often infinite."""
        return self._sightings.due(now) if self.running.watched else math.inf

    def findings(self, now: float) -> list[Finding]:
        """Return what speaks against the commit; *now* is the time on the monotonic clock."""
        if self.running.watched:
            self.witness()
            reached = self.log.mark()
            if reached != self._seen:
                self._read(list(of_daemons(self.log.since(self._seen), self._names)), now)
            self._seen = reached
        lasting = self._sightings.lasting(now)
        if not self._found and not lasting:
            return self._complaints()
        return [_finding(one) for one in dict.fromkeys([*self._found.values(), *self._sightings.pending])]

    def _read(self, lines: list[LogLine], now: float) -> None:
        new: dict[tuple[str, str], tuple[LogLine, Weight]] = {}
        for line in lines:
            self._sightings.worked(line)
            if self._is_witnessed(line):
                self._shares.read(line)
            for fault, weight in own_faults([line], self._helpers):
                if (same := key(fault)) not in self._known:
                    new.setdefault(same, (fault, weight))
                    if weight is not Weight.CERTAIN and self._is_witnessed(fault):
                        self._sightings.add(same, fault, now, is_retried=weight is Weight.RETRIED)
        self._judge(new, now)

    def _judge(self, new: dict[tuple[str, str], tuple[LogLine, Weight]], now: float) -> None:
        """Remember new faults; those that no process of Postfix is known to have written need a second witness."""
        doubted = {same: line for same, (line, _) in new.items() if not self._is_witnessed(line)}
        if doubted and not probe(self._edges):
            self.doubted |= doubted
            new = {same: found for same, found in new.items() if same not in doubted}
        for same, (line, weight) in new.items():
            if weight is Weight.CERTAIN:
                self._found[same] = line
            elif same in doubted:
                self._sightings.add(same, line, now, is_retried=weight is Weight.RETRIED)

    def witness(self) -> None:
        """Remember the processes of Postfix: any local user can write to a syslog file as Postfix does."""
        if self.log.forgeable:
            self._daemons |= postfix.processes(self._edges.postfix())

    def _is_witnessed(self, line: LogLine) -> bool:
        return not self.log.forgeable or line.pid in self._daemons

    def _excused(self, lines: list[str]) -> set[tuple[str, str]]:
        """Return the faults logged before; of those before the last activation, none that rolled a commit back."""
        recent = since_activation(lines, self._names)
        told = condemned(one.outcome for one in islice(self._edges.journal.conclusions(), _REMEMBERED)) if lines else ()
        older = causes(lines[: len(lines) - len(recent)], self._names)
        return {key(one) for one in (*unquoted(older, told), *causes(recent, self._names))}

    def _complaints(self) -> list[Finding]:
        """Return a finding for each share of mail that is turned away and was not before."""
        suspects = self._shares.suspects()
        older = self._before() if suspects else None
        meant = removed(suspects, older, self._edges.settings.config_directory) if older else frozenset()
        return [
            Finding(
                rule="turned-away", where=UNWRITTEN, subject=line.program, lasting=False,
                text=f"{sentence}; the latest: {line.program} logged: {line.text}",
            )
            for line, sentence in self._shares.complaints(meant)
        ]  # fmt: skip

    def _before(self) -> Path | None:
        """Return the folder of the generation before the commit."""
        older = [one for one in self._edges.generations.all() if one.number < self.running.generation]
        return older[-1].root if older else None


def removed(recipients: set[str], before: Path, now: Path) -> frozenset[str]:
    """Return those of *recipients* that an entry of a table named *before*, and that none names *now*."""
    gone = _keys(before) - _keys(now)
    return frozenset(one for one in recipients if {one, one.partition("@")[0]} & gone)


def _keys(root: Path) -> set[str]:
    """Return the first word of each line of the files in a folder, as tables of text have their keys."""
    keys: set[str] = set()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix not in {".lmdb", ".db", ".cdb"}:
            lines = split_lines(path.read_bytes().decode("utf-8", "replace"))
            keys |= {words[0].rstrip(":").lower() for line in lines if (words := split_words(line))}
    return keys


def _names(edges: Edges) -> set[str]:
    """Return the instance's syslog_name and those of its services."""
    text = (edges.settings.config_directory / "master.cf").read_text("utf-8", "surrogateescape")
    return log_names(edges.postfix(), read_master(text, "master.cf")[0])


def condemned(outcomes: Iterable[Outcome]) -> list[str]:
    """Return what the findings quote of the log that commits were rolled back for, when verified or on probation."""
    back = [outcome for outcome in outcomes if isinstance(outcome, RolledBack | Broken)]
    findings = [one for outcome in back for one in outcome.findings if one.is_error and one.rule in _CONDEMNING]
    return [_unvarying(one.text.partition(_LOGGED)[2]) for one in findings]


def unquoted(faults: Iterable[LogLine], texts: Collection[str]) -> list[LogLine]:
    """Return the faults that none of the texts of condemned() quotes."""
    return [one for one in faults if not any(_unvarying(one.text) in text for text in texts)]


def _unvarying(logged: str) -> str:
    return steady(without_quotes(logged)).removeprefix("warning: ")


def _finding(one: LogLine) -> Finding:
    text = f"{one.program} {_LOGGED}{one.text}"
    return Finding(rule=RULE, where=UNWRITTEN, text=text, subject=one.program, lasting=False)
