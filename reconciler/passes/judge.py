"""What a commit means for this host now, as a value that nothing edits.

judge() reads the commit, this host and what is live, and touches nothing; permit() decides whether that may go live.
Raises InvalidSource for a commit that can't be read; CheckFailed and UnsafePlan from permit().
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from reconciler.apply.stage import Order, Rehearsal
from reconciler.desired.flows import Flows
from reconciler.desired.lint import excused, lint, mentioned
from reconciler.desired.load import load
from reconciler.desired.site_removal import confirmed_rows
from reconciler.features import baseline, compose
from reconciler.host.facts import gather
from reconciler.model import Change, Contribution, Desired, Facts, Finding, Kind, Mentioned, Severity, Where, errors_in
from reconciler.model.errors import CheckFailed, ReconcilerError
from reconciler.rehearsal import rehearse
from reconciler.rehearsal.script import write
from reconciler.repository.secrets import open_secrets
from reconciler.state.manifest import UNREADABLE
from reconciler.state.source import Source, SourceKind
from reconciler.trees.ignore import Carried, holding, left_alone
from reconciler.trees.plan import activations, diff, raise_if_unsafe
from reconciler.trees.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.apply.edges import Edges
    from reconciler.host.settings import Settings
    from reconciler.model import Plan, Revision, Tree
    from reconciler.repository.repo import Repository
    from reconciler.state.generations import Generations
    from reconciler.state.manifest import Generation
    from reconciler.trees.ignore import Rule

CONFIRMATION = "Confirm: deletions"


class Understood(NamedTuple):
    """What people asked for in a commit, the facts that it speaks of, and what the features make of both."""

    desired: Desired
    facts: Facts
    origin: Contribution


def understand(revision: Revision, edges: Edges) -> Understood:
    """Load a commit, compose its features, and gather the facts that it speaks of."""
    files = edges.repo.read(revision)
    secrets, unopened = open_secrets(files, edges.settings.identity)
    desired = load(files, edges.settings.host, secrets)
    desired = replace(desired, findings=(*desired.findings, *unopened))
    facts = gather(edges.host, edges.settings, Mentioned(frozenset({baseline.ALIASES})))
    origin = compose(desired, facts)
    return Understood(desired, gather(edges.host, edges.settings, mentioned(origin, facts)), origin)


class LiveCommit:
    """The generation that is live as a pass begins, and its commit: understood once at most, and only when asked for.

    It is a look at one moment: after a swap it is what was live before.
    """

    def __init__(self, edges: Edges) -> None:
        self.generation = edges.generations.live()
        self._edges = edges

    def is_made_of(self, revision: Revision) -> bool:
        """Whether that commit is the one that is live."""
        return self.generation is not None and self.generation.revision == revision.oid

    def has(self, tree: Tree) -> bool:
        """Whether its files, as they were written, are these."""
        return self.generation is not None and self.generation.owned() == tree

    @cached_property
    def understood(self) -> Understood | None:
        """By today's facts; None before adoption, after a rollback, and where the commit can't be read any more."""
        if self.generation is None or not self.generation.revision:
            return None
        try:
            return understand(self._edges.repo.revision(self.generation.revision), self._edges)
        except (ReconcilerError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a commit means for this host now; *rules* are the ignore rules that held, *order* is what apply() is for."""

    revision: Revision
    understood: Understood
    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]
    order: Order

    @property
    def plan(self) -> Plan:
        """The difference to what is live."""
        return self.order.plan

    @property
    def restores(self) -> bool:
        """Whether the commit was made live already, so that only hand edits are put back."""
        return self.order.trusted

    @property
    def flows(self) -> int:
        """How many mail-flow tests the commit brings for this host."""
        flows = self.understood.desired.section(Flows)
        return len(flows.all) if flows else 0

    def when_live(self, live: Tree, facts: Facts) -> Judged:
        """What judging the same commit again would find, now that it is live."""
        order = replace(self.order, plan=diff(live, live), trusted=True)
        return replace(self, understood=self.understood._replace(facts=facts), order=order)


def judge(revision: Revision, edges: Edges, live: LiveCommit, known: Understood | None = None) -> Judged:
    """Load, lint, render and diff; *known* is the commit where it was understood already."""
    desired, facts, origin = known or understand(revision, edges)
    findings = lint(desired, facts, origin)
    target = render(origin, edges.templates)
    on_disk = edges.generations.read(target)
    rules = rules_now(edges.settings)
    carried = _carried(revision, target, on_disk, rules, live, edges.templates)
    origin = _with_sources(origin, carried)
    findings += [_ignoring(rule, origin) for rule in rules if rule.what in carried.names]
    plan = _with_damage(diff(on_disk, carried.tree, origin), live.generation, edges.generations)
    order = Order(
        plan=plan, revision=revision.oid, source=Source(SourceKind.COMMIT, name=revision.short),
        origin=origin, carried=carried.names,
        committed_at=revision.committed_at.timestamp(), trusted=live.has(carried.tree),
    )  # fmt: skip
    return Judged(revision, Understood(desired, facts, origin), rules, tuple(findings), order)


def rules_now(settings: Settings) -> tuple[Rule, ...]:
    """The ignore rules that hold now."""
    return holding(settings.drift_ignore, datetime.now(UTC))


def _carried(
    revision: Revision, target: Tree, on_disk: Tree, rules: tuple[Rule, ...], live: LiveCommit,
    templates: Mapping[str, str],
) -> Carried:  # fmt: skip
    """The target with what ignore rules leave alone: what differs from what the live commit made of this host."""
    if not rules or live.generation is None:
        return Carried(target)
    base: Tree | None = target if live.is_made_of(revision) else None
    if base is None and live.understood:
        try:
            base = render(live.understood.origin, templates)
        except (ReconcilerError, ValueError):
            base = None  # it can't be told any more what was edited since; what was left alone already stays so
    return left_alone(target, on_disk, base, live.generation.carried, rules)


def _with_sources(origin: Contribution, carried: Carried) -> Contribution:
    """Tables that are left alone are compiled from what is in them on this host."""
    sources = {name: carried.tree[name].read() for name in carried.names if name in origin.tables}
    changed = {name: replace(origin.tables[name], source=source) for name, source in sources.items()}
    return replace(origin, tables={**origin.tables, **changed})


def _ignoring(rule: Rule, origin: Contribution) -> Finding:
    """What the author of a commit must know: this host does not follow it there."""
    written = origin.parameters.get(rule.parameter)
    where = written.where if written else Where("mail.yaml")
    if not rule.parameter and rule.file in origin.tables:
        where = origin.tables[rule.file].where
    text = f"{rule.what} was edited by hand and is left alone until {rule.until:%Y-%m-%d %H:%M} ({rule.why})"
    return Finding(
        rule="left-alone", where=where, text=text, subject=rule.what, severity=Severity.WARNING, lasting=False
    )


def _with_damage(plan: Plan, live: Generation | None, generations: Generations) -> Plan:
    """The plan with what else drifted: compiled maps, which belong to a generation and not to a tree."""
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
    """What was judged, as it may go live: what is just as wrong in what is live is only reported.

    Raises CheckFailed or UnsafePlan when it must not.
    """
    if errors_in(judged.findings):
        judged = replace(judged, findings=tuple(excused(judged.findings, _findings_of(live, judged.revision))))
    if errors_in(judged.findings):
        raise CheckFailed(judged.findings)
    if not live.is_made_of(judged.revision):  # what went live once was confirmed then
        confirmed = _trailers(judged.revision, live.generation, repo)
        raise_if_unsafe(judged.plan, confirmed=CONFIRMATION in confirmed, rows=confirmed_rows(confirmed))
    return judged


def _findings_of(live: LiveCommit, revision: Revision) -> list[Finding]:
    """The live commit judged by today's facts; nothing is excused by *revision* itself, nor before adoption."""
    if live.is_made_of(revision) or live.understood is None:
        return []
    try:
        return lint(*live.understood)
    except ReconcilerError:
        return []  # it can't be judged any more, so it excuses nothing


def _trailers(revision: Revision, live: Generation | None, repo: Repository) -> list[str]:
    """What the messages of a commit, and of those since the live one, say in their trailers."""
    since = repo.between(live.revision, revision.oid) if live and live.revision else []
    return [trailer for commit in (revision, *since) for trailer in commit.trailers]


def to_rehearse(judged: Judged, live: LiveCommit, edges: Edges) -> Order:
    """The order, with what a rehearsal of it plays where one can be held."""
    if edges.settings.rehearsal != "on" or rehearse.limit(edges.host):
        return judged.order

    def excuse(findings: list[Finding]) -> list[Finding]:
        return excused(findings, _rehearsed(live, judged.revision, edges)) if errors_in(findings) else findings

    return replace(judged.order, rehearsal=Rehearsal(write(*judged.understood), excuse))


def _rehearsed(live: LiveCommit, revision: Revision, edges: Edges) -> list[Finding]:
    """What a rehearsal of what is live finds, as far as it can excuse anything."""
    if live.generation is None or live.is_made_of(revision) or live.understood is None:
        return []
    try:
        script = write(*live.understood)
        return rehearse.rehearse(script, live.generation.root, edges.settings.config_directory, edges.host)
    except ReconcilerError:
        return []
