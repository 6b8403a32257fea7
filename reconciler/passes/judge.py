"""Judge a commit: return what it means for this host now, as an immutable value.

judge() reads the commit, this host and the live generation, and changes nothing; permit() decides whether the commit
may go live.
Raises InvalidSource for a commit that can't be read; CheckFailed, Incomplete and UnsafePlan from permit().
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from reconciler.apply.activate import answering
from reconciler.apply.stage import Order, Rehearsal
from reconciler.desired.budget import Budget
from reconciler.desired.lint import excused, identities, identity, lint, staged
from reconciler.desired.load import PartlyRead
from reconciler.desired.partial import also_wrong
from reconciler.desired.site_removal import confirmed_rows
from reconciler.features import baseline, stock
from reconciler.model import (
    UNWRITTEN,
    Activation,
    Change,
    Contribution,
    Desired,
    Facts,
    Finding,
    Kind,
    Severity,
    errors_in,
)
from reconciler.model.errors import CheckFailed, Incomplete, InvalidSource, ReconcilerError
from reconciler.passes.apart import NOTHING, Apart, commit_of, files_of, left_out
from reconciler.passes.loaded import recorded
from reconciler.passes.next_start import raise_if_it_stops
from reconciler.passes.understand import Understood, as_found, asked, merged, understand
from reconciler.passes.unowned import recognised
from reconciler.rehearsal import possible, rehearse
from reconciler.rehearsal.kinds import Changed, changed_by
from reconciler.rehearsal.script import write
from reconciler.repository.secrets import unsound_recipients
from reconciler.state.manifest import UNREADABLE, Deviations
from reconciler.state.source import Source, SourceKind
from reconciler.trees.equality import with_effects
from reconciler.trees.gained import gained
from reconciler.trees.ignore import Carried, holding, left_alone
from reconciler.trees.plan import activations, diff, raise_if_unsafe
from reconciler.trees.render import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.host.settings import Settings
    from reconciler.model import Plan, Revision, Tree
    from reconciler.postfix.root_equivalent import Power
    from reconciler.rehearsal.script import Script
    from reconciler.repository.repo import Repository
    from reconciler.state.generations import Generations
    from reconciler.state.manifest import Generation
    from reconciler.trees.ignore import Rule

CONFIRMATION = "Confirm: deletions"
_OF_REFUSALS = "Confirm: refusals"


class LiveCommit:
    """The generation that is live when a pass begins, and its commit, which is understood lazily and once at most.

    The value does not follow a swap: afterwards it still describes the generation from before. *gathered* are the facts
    that the pass has gathered, so that who did not answer is asked once in a pass.
    """

    def __init__(self, edges: Edges) -> None:
        self.generation = edges.generations.live()
        self.gathered: list[Facts] = []
        self._edges = edges

    def is_made_of(self, revision: Revision) -> bool:
        """Whether that commit is the one that is live."""
        return self.generation is not None and self.generation.revision == revision.oid

    def is_all_of(self, revision: Revision) -> bool:
        """Whether that commit is live, and no site was left out of it."""
        return self.generation is not None and self.generation.revision == revision.oid and not self.generation.kept

    def has(self, tree: Tree) -> bool:
        """Whether its files, as they were written, are these."""
        return self.generation is not None and self.generation.owned() == tree

    @cached_property
    def understood(self) -> Understood | None:
        """Return it, understood with today's facts; None before adoption, after a rescue, or if it is unreadable."""
        oid, kept = self.commit
        try:
            return understand(self._edges.repo.revision(oid), self._edges, kept, self.gathered) if oid else None
        except (ReconcilerError, ValueError):
            return None

    @cached_property
    def judged_by(self) -> Understood | None:
        """Return what its faults are found in: its commit, or else its own files.

        None if both are unreadable, and for a check in a temporary folder, where nothing is live.
        """
        if self.generation is None and self._edges.generations.state != self._edges.settings.state:
            return None
        try:
            return self.understood or as_found(self._edges, gathered=self.gathered)
        except (ReconcilerError, OSError, ValueError):
            return None

    @cached_property
    def findings(self) -> list[Finding]:
        """Return what is wrong with it by today's facts."""
        return _faults_of(self.judged_by)

    @cached_property
    def moved_in(self) -> Understood | None:
        """Return the host's files from before adoption; None if they are gone, or unreadable."""
        try:
            return as_found(self._edges, self._edges.generations.rescue_tree(), self.gathered)
        except (ReconcilerError, OSError, ValueError):
            return None

    def answering(self) -> frozenset[str]:
        """Return its services that clients can use now."""
        return answering(self._edges, recorded(self._edges.generations).files)

    @cached_property
    def commit(self) -> tuple[str, Mapping[str, str]]:
        """Return the commit that its files are from, and the sites that were left out of it, as commit_of() does."""
        return commit_of(self.generation, self._edges)

    @cached_property
    def files(self) -> Tree:
        """Return its files as they are live, also after a rollback; none before adoption, or if it is unreadable."""
        oid, kept = self.commit
        try:
            return files_of(self._edges.repo.revision(oid), self._edges, kept) if oid else {}
        except ReconcilerError:
            return {}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a commit means for this host now; *rules* are the ignore rules that held, *order* is what apply() is for.

    *powers* are the settings that the commit adds or changes and that let its author act as another user. *apart* are
    the sites that are left out.
    """

    revision: Revision
    understood: Understood
    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]
    order: Order
    powers: tuple[Power, ...] = ()
    apart: Apart = NOTHING

    @property
    def plan(self) -> Plan:
        """The difference between the live tree and the target."""
        return self.order.plan

    @property
    def restores(self) -> bool:
        """Whether the commit is live already, so that a pass only reverts hand edits."""
        return self.order.trusted

    def when_live(self, live: Tree, facts: Facts) -> Judged:
        """Return what judge() would return for the same commit, now that it is live."""
        order = replace(self.order, plan=diff(live, live), trusted=True)
        return replace(self, understood=self.understood._replace(facts=facts), order=order, powers=())


def judge(revision: Revision, edges: Edges, live: LiveCommit, apart: Apart | None = None) -> Judged:
    """Load, lint, render and diff; without *apart*, the sites are left out that were when the commit went live."""
    apart = apart or Apart(left_out(revision, edges))
    try:
        desired, facts, origin = understand(revision, edges, apart.kept, live.gathered)
    except PartlyRead as error:
        raise InvalidSource([*error.findings, *_also_wrong(error, revision, edges, live, apart)]) from error
    findings = [*lint(desired, facts, origin, Budget(time.thread_time)), *apart.warnings()]
    target = render(origin, edges.templates)
    target, on_disk = recognised(desired, target, edges.generations.read(target), live.generation, edges)
    rules = rules_now(edges.settings)
    carried = _carried(revision, target, on_disk, rules, live, edges.templates)
    origin = _with_sources(origin, carried)
    ignored = (_ignoring(rule, origin) for rule in rules if rule.what in carried.names)
    findings += staged(ignored, desired, ())
    plan = with_effects(diff(on_disk, carried.tree, origin), facts)
    plan = _with_damage(plan, live.generation, edges.generations)
    order = Order(
        plan=plan, revision=revision.oid, source=Source(SourceKind.COMMIT, name=revision.short),
        origin=origin, home=desired.home, deviations=Deviations(carried.names, apart.kept),
        committed_at=revision.committed_at.timestamp(), trusted=live.has(carried.tree),
        allow=partial(staged, desired=desired, told=tuple(findings)),
    )  # fmt: skip
    powers = gained(plan, origin, facts, is_rendered=not carried.names)
    return Judged(revision, Understood(desired, facts, origin), rules, tuple(findings), order, powers, apart)


def _also_wrong(error: PartlyRead, revision: Revision, edges: Edges, live: LiveCommit, apart: Apart) -> list[Finding]:
    """Return what is found in the part of a commit that can be read; what is live as well is a warning."""
    try:
        _, facts, origin = asked(merged(error.rest, edges), edges, live.gathered)
        found = also_wrong(error, facts, origin, Budget(time.thread_time))
        found += unsound_recipients(files_of(revision, edges, apart.kept))
    except InvalidSource:
        return []  # beyond a limit; the author hears of it when the rest can be read
    return excused(found, _findings_of(live, revision, error.rest)) if errors_in(found) else found


def rules_now(settings: Settings) -> tuple[Rule, ...]:
    """Return the ignore rules that are in force now."""
    return holding(settings.drift_ignore, datetime.now(UTC))


def _carried(
    revision: Revision, target: Tree, on_disk: Tree, rules: tuple[Rule, ...], live: LiveCommit,
    templates: Mapping[str, str],
) -> Carried:  # fmt: skip
    """Return the target with the edits that ignore rules leave in place: live's differences from its commit."""
    if not rules or live.generation is None:
        return Carried(target)
    base: Tree | None = target if live.is_made_of(revision) else None
    if base is None and live.understood:
        try:
            base = render(live.understood.origin, templates)
        except (ReconcilerError, ValueError):
            base = None  # later edits can't be identified any more; edits that were left in place already stay
    return left_alone(target, on_disk, base, live.generation.carried, rules)


def _with_sources(origin: Contribution, carried: Carried) -> Contribution:
    """Compile the tables that are left in place from their content on this host."""
    sources = {name: carried.tree[name].read() for name in carried.names if name in origin.tables}
    if not sources:
        return origin
    changed = {name: replace(origin.tables[name], source=source) for name, source in sources.items()}
    return replace(origin, tables={**origin.tables, **changed})


def _ignoring(rule: Rule, origin: Contribution) -> Finding:
    """Return the warnings for the author of a commit: the places where this host does not follow it."""
    written = origin.parameters.get(rule.parameter)
    where = written.where if written else UNWRITTEN
    if not rule.parameter and (made := origin.tables.get(rule.file) or origin.files.get(rule.file)):
        where = made.where
    text = f"{rule.what} was edited by hand and is left alone until {rule.until:%Y-%m-%d %H:%M} ({rule.why})"
    return Finding(
        rule="left-alone", where=where, text=text, subject=rule.what, severity=Severity.WARNING, lasting=False
    )


def _with_damage(plan: Plan, live: Generation | None, generations: Generations) -> Plan:
    """Return the plan with the drift of compiled maps, which belong to a generation and not to a tree."""
    told = {change.what for change in plan.changes} | {change.within for change in plan.changes}
    told |= {path for path in plan.live if plan.live[path] != plan.target.get(path)}
    damaged = [path for path in generations.drift() if path not in told]
    made = {path for path, record in live.files.items() if record.made_from} if live else set[str]()
    changes = list(plan.changes)
    changes += [
        Change(kind=Kind.FILE, what=path, before="edited", after="compiled anew" if path in made else "put back")
        for path in damaged
    ]
    if live and live.source == UNREADABLE:
        changes.append(Change(kind=Kind.FILE, what="the live manifest", before="unreadable", after="written anew"))
    return replace(plan, changes=tuple(changes), steps=activations(changes))


# ---- whether it may go live ------------------------------------------------------------------------------------------


def permit(judged: Judged, live: LiveCommit, repo: Repository) -> Judged:
    """Return the judged commit if it may go live; an error that is live as well becomes a warning.

    Raises CheckFailed or UnsafePlan when it may not go live, and Incomplete if only this host is to blame for that.
    """
    if errors_in(judged.findings):
        judged = _excused(judged, live)
    if lost := _lost_aliases(judged, live):
        raise Incomplete([lost, *judged.findings])
    if not live.is_all_of(judged.revision):  # an operator confirmed a commit that is live already
        confirmed = _trailers(judged.revision, live.generation, repo)
        raise_if_unsafe(judged.plan, confirmed=CONFIRMATION in confirmed, rows=confirmed_rows(confirmed))
    return judged


def _excused(judged: Judged, live: LiveCommit) -> Judged:
    """Return the judged commit with what excuses it; raise CheckFailed or Incomplete for what nothing excuses."""
    known, found = _findings_of(live, judged.revision, judged.understood.desired), judged.findings
    judged = replace(judged, findings=tuple(excused(judged.findings, known)))
    errors, was_made = errors_in(judged.findings), live.is_all_of(judged.revision)
    # What is live was made once, so if the same can't be made today, something on this host is gone.
    if errors and all(not one.excusable and (was_made or identity(one) in identities(known)) for one in errors):
        raise Incomplete(judged.findings)
    if errors:
        raise CheckFailed(judged.findings)
    raise_if_it_stops(found, judged.plan.steps, live.answering)
    return judged


def raise_if_files_stop(target: Tree, steps: Iterable[Activation], edges: Edges) -> None:
    """Raise WouldStop likewise for files that no commit describes; files that can't be judged are not held back."""
    try:
        findings = lint(*as_found(edges, target), Budget(time.thread_time))
    except (ReconcilerError, OSError, ValueError):
        return
    raise_if_it_stops(findings, steps, LiveCommit(edges).answering)


def raise_if_reload_stops(edges: Edges) -> None:
    """Raise WouldStop likewise for what is live, if its processes were started anew."""
    live = LiveCommit(edges)
    raise_if_it_stops(live.findings, [Activation.RELOAD], live.answering)


def _lost_aliases(judged: Judged, live: LiveCommit) -> Finding | None:
    """Return an error if the host's aliases would leave the live configuration because their compiled file is gone."""
    written, was = judged.order.origin.parameters.get("alias_maps"), baseline.HOST_ALIASES
    lost = any((change.what, change.before) == ("alias_maps", was) for change in judged.plan.changes)
    if not lost or written is None or written.section != baseline.SECTION or live.understood is None:
        return None
    return baseline.aliases_gone(written.where)


def _findings_of(live: LiveCommit, revision: Revision, desired: Desired) -> list[Finding]:
    """Return the findings of what is live by today's facts; none if the commit itself is live.

    One with ``base: none`` has the faults of the host before adoption, which are reported then.
    """
    if not live.is_all_of(revision):
        return live.findings
    return _faults_of(live.moved_in) if stock.is_left_out(desired) else []


def _faults_of(understood: Understood | None) -> list[Finding]:
    """Return what is wrong by today's facts; what can't be judged any more excuses nothing."""
    try:
        return lint(*understood, Budget(time.thread_time)) if understood else []
    except ReconcilerError:
        return []


def _trailers(revision: Revision, live: Generation | None, repo: Repository) -> list[str]:
    """Return the trailers in the messages of a commit and of the commits between the live one and it."""
    since = repo.between(live.revision, revision.oid) if live and live.revision else []
    return [trailer for commit in (revision, *since) for trailer in commit.trailers]


def to_rehearse(judged: Judged, live: LiveCommit, edges: Edges) -> Order:
    """Return the order, with the script of its rehearsal if this host can hold one."""
    confirmed = not judged.restores and _OF_REFUSALS in _trailers(judged.revision, live.generation, edges.repo)
    order = replace(judged.order, confirmed=confirmed)
    if not may_rehearse(edges):
        return order

    @cache  # a pass whose check is remembered plays nothing, and among thousands of services a script takes long
    def script() -> Script:
        return write(*judged.understood, changed_by(order.plan))

    def excuse(findings: list[Finding]) -> list[Finding]:
        if not errors_in(findings):
            return findings
        return excused(findings, _rehearsed(live, judged.revision, script().played, edges))

    return replace(order, rehearsal=Rehearsal(script, excuse))


def may_rehearse(edges: Edges) -> bool:
    """Return whether this host can hold rehearsals, and is meant to."""
    return edges.settings.rehearsal == "on" and not possible.limit(edges.host)


def _rehearsed(live: LiveCommit, revision: Revision, played: frozenset[str], edges: Edges) -> list[Finding]:
    """Return the findings of a rehearsal of what is live that can excuse the same findings of a commit.

    The same services are *played* as of the commit.

    A rehearsal that fails for both is no fault of what is live, which runs: it excuses nothing.
    """
    if live.is_all_of(revision) or live.judged_by is None:
        return []
    directory = edges.settings.config_directory
    root = live.generation.root if live.generation else directory
    try:
        return rehearse.rehearse(write(*live.judged_by, Changed(played)), root, directory, edges.host).findings
    except ReconcilerError:
        return []
