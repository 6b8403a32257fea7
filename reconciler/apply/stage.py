"""Stage a target, compile it, have the programs that will read it check it, and rehearse it.

Promises: no live byte changes; a stage that does not pass is removed. Raises CheckFailed with the findings, and
Unavailable, CommandFailed or OSError when the check itself can't be carried out.
"""

from __future__ import annotations

import functools
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.apply.in_the_way import in_the_way
from reconciler.apply.live_maps import made_from_live
from reconciler.apply.other_queue import mail_left_behind
from reconciler.host.facts import gather
from reconciler.host.programs import bounce, postconf, postfix, postmap
from reconciler.host.programs.vocabulary import says
from reconciler.model import UNWRITTEN, Contribution, Finding, Table, Where, errors_in
from reconciler.model.errors import CheckFailed, Unavailable
from reconciler.postfix.places import SourcePlaces
from reconciler.postfix.quoting import cut
from reconciler.postfix.syntax import read_main, read_master
from reconciler.postfix.table_parts import entry_count
from reconciler.postfix.tables import sample, table_of
from reconciler.rehearsal.rehearse import ahead, rehearse
from reconciler.state import companions
from reconciler.state.manifest import NONE, Deviations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from reconciler.apply.edges import Edges
    from reconciler.model import DeployedFile, Plan, Tree
    from reconciler.rehearsal.script import Script
    from reconciler.state.manifest import Generation, Stage
    from reconciler.state.source import Source

_PROGRAMS = ("postconf", "postmap", "postalias")
_DISK = re.compile(r"No space left|Read-only file system|Input/output error|Disk quota exceeded")


def stage_and_check(order: Order, edges: Edges, name: str) -> Staged:
    """Stage a target, compile its tables, have Postfix's own programs read it, and rehearse; raises CheckFailed."""
    edges.generations.prepare()
    target = order.plan.target
    if taken := list(in_the_way(order.origin, edges)):
        raise CheckFailed(taken)
    rehearsal = None if order.trusted else order.rehearsal
    with ExitStack() as failing, ahead(edges.host) if rehearsal else nullcontext():
        failing.callback(_discard, edges, name)
        stage = edges.generations.stage(target, name, min(order.committed_at, time.time() - postconf.AGE))
        places = order.places(edges)

        def judged(found: list[Finding]) -> list[Finding]:
            found = [_at_source(finding, stage, places) for finding in found]
            return order.allow(_quotable(found, order.origin, stage))

        findings = []
        if not order.trusted:
            findings = judged(
                [
                    *postfix.check(edges.host, stage.root),
                    *bounce.check(edges.host, stage.root, _templates(order.origin, edges)),
                    *companions.check(edges.host, stage.folder),
                    *mail_left_behind(edges.postfix(), postfix.live(edges.host, stage.root), edges.host),
                ]
            )
        if not errors_in(findings):  # else postmap would repeat the same errors
            findings += judged(_compile(target, order, stage, edges))
        rehearsed = False
        if rehearsal and not errors_in(findings):
            findings += judged(_rehearse(rehearsal, stage, edges))
            rehearsed = True
        if errors_in(findings):
            raise CheckFailed(findings)
        failing.pop_all()
    return Staged(stage, tuple(findings), rehearsed)


def _templates(origin: Contribution, edges: Edges) -> list[DeployedFile]:
    """Return the files of the commit that bounce(8) reads; facts are gathered only if it has files."""
    return bounce.templates(origin, gather(edges.host, edges.settings)) if origin.files else []


def _discard(edges: Edges, name: str) -> None:
    with suppress(OSError):  # the error before it is the one to report
        edges.host.remove(edges.generations.stage_folder(name))


def _rehearse(rehearsal: Rehearsal, stage: Stage, edges: Edges) -> list[Finding]:
    """Return the findings of a rehearsal.

    Nothing excuses one in which Postfix did not run or answer: if that is so for the live commit as well, which does
    run, the fault is the rehearsal's, and nothing was rehearsed.
    """
    edges.say("rehearse")
    script = rehearsal.script()
    links = [Path(made.link) for made in script.merged.files.values() if made.link]
    script = replace(script, returning=edges.generations.outer_links.returning(links))
    done = rehearse(script, stage.root, edges.settings.config_directory, edges.host)
    return rehearsal.excuse(done.findings) if done.is_whole else done.findings


def _compile(target: Tree, order: Order, stage: Stage, edges: Edges) -> list[Finding]:
    """Compile the tables whose live map is not of use; count the entries of the new maps and read them back.

    A check has programs read tables at the same time. Those of a trusted target run in this thread, where stop() may
    have to spare them.
    """
    host, folder = edges.host, stage.root
    tables = [table for path in target if (table := _table(path, target, order.origin))]
    live = edges.generations.live_files()
    new = [one for one in tables if live is None or not made_from_live(one, target[one.name], live, folder)]
    texts = [table for table in order.origin.tables.values() if not table.compiler]

    def read_back(table: Table) -> list[Finding]:
        return postmap.read_back(host, folder, table, entry_count(table), sample(table))

    with ThreadPoolExecutor(thread_name_prefix="postmap") as threads:
        as_text = None if order.trusted else threads.submit(postmap.read_as_text, host, folder, texts)
        findings = postmap.compile_tables(host, folder, new)
        if not findings:
            findings += chain.from_iterable(map(read_back, new) if order.trusted else threads.map(read_back, new))
        if trouble := next((one.text for one in findings if _DISK.search(one.text)), None):
            raise Unavailable(trouble)
        return findings + as_text.result() if as_text else findings


def _table(path: str, target: Tree, origin: Contribution) -> Table | None:
    if not target[path].compiled:
        return None
    return origin.tables[path] if path in origin.tables else table_of(path, target[path])


def _at_source(finding: Finding, stage: Stage, places: SourcePlaces) -> Finding:
    """Point at the desired state instead of the rendered file, if the origin is known."""
    origin = places.merged
    if finding.where.file not in ("main.cf", "master.cf"):
        return places.of(finding) if finding.where == UNWRITTEN else finding
    where = origin.parameters[finding.subject].where if finding.subject in origin.parameters else UNWRITTEN
    text = (stage.root / finding.where.file).read_text("utf-8", "surrogateescape")
    if finding.where.file == "main.cf":
        before = [one for one in read_main(text, "main.cf")[0].values() if one.where.line <= finding.where.line]
        if before and before[-1].name in origin.parameters:
            where = origin.parameters[before[-1].name].where
    else:
        rows = [row for row in read_master(text, "master.cf")[0] if row.where.line <= finding.where.line]
        service = origin.services.get(rows[-1].key) if rows else None
        options = service.overrides if service else ()
        option = next(
            (one for one in options if f"{one.name}=" in finding.text or one.name == finding.subject), service
        )
        where = option.where if option else where
    return places.of(finding) if where == UNWRITTEN else replace(finding, where=where)


def _quotable(findings: list[Finding], origin: Contribution, stage: Stage) -> list[Finding]:
    """Return the findings without what Postfix's programs, which ran as root, quote of files outside the commit."""

    @functools.cache
    def known() -> list[str | bytes]:
        own = [(stage.root / name).read_text("utf-8", "surrogateescape") for name in (postconf.MAIN, postconf.MASTER)]
        sources = [table.source for table in origin.tables.values() if not table.is_secret]
        sources += [made.content for made in origin.files.values() if not made.is_secret]
        return [*own, *sources, "\n".join([*origin.tables, *origin.files, str(stage.root)])]

    return [
        replace(one, text=cut(one.text, known(), says), subject=cut(one.subject, known(), says))
        if one.rule in _PROGRAMS
        else one
        for one in findings
    ]


@dataclass(frozen=True, slots=True)
class Staged:
    """A stage that passed its check: the *doubts* are warnings; *rehearsed* says whether a rehearsal was part of it."""

    stage: Stage
    doubts: tuple[Finding, ...] = ()
    rehearsed: bool = False


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A rehearsal: *script* writes what is played; *excuse* turns findings that are live as well into warnings."""

    script: Callable[[], Script]
    excuse: Callable[[list[Finding]], list[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The target to make live, with its *source*; *origin* says where each setting comes from in the desired state.

    *deviations* say how the target differs from the commit on purpose. A *trusted* target was live and verified before
    (undo, rollback, drift, rescue): it skips the check and the *rehearsal*. *confirmed*: refusals that verify() finds
    are intended. *allow* applies the commit's allowances. *home* is as in Desired. *stopping* returns, as errors, what
    works now and would stop if that generation were started again, given the subjects of what fails.
    """

    plan: Plan
    revision: str
    source: Source
    committed_at: float
    origin: Contribution = field(default_factory=Contribution)
    home: Where = UNWRITTEN
    trusted: bool = False
    deviations: Deviations = NONE
    rehearsal: Rehearsal | None = None
    confirmed: bool = False
    allow: Callable[[list[Finding]], list[Finding]] = list
    stopping: Callable[[Generation, Collection[str]], list[Finding]] = lambda _before, _failing: []

    def places(self, edges: Edges) -> SourcePlaces:
        """Return the places in the desired state of what goes live."""
        return SourcePlaces(self.origin, str(edges.settings.config_directory), self.home, self.plan.place)
