"""One pass, top to bottom: reconcile() on one screen, and the steps it is made of.

reconcile() raises nothing: what a person must mend is Refused, and trouble of our own is Postponed. judge() and
check(), which pre-receive and the commands use as well, raise InvalidSource, CheckFailed and UnsafePlan.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.apply.stage import Order, stage_and_check
from reconciler.desired.flows import Flows
from reconciler.desired.lint import excused, lint, mentioned
from reconciler.desired.load import load
from reconciler.desired.site_removal import confirmed_rows
from reconciler.features import baseline, compose
from reconciler.host import facts as fact
from reconciler.model import Change, Facts, Finding, Kind, Mentioned, Severity, Where, errors_in
from reconciler.model.errors import CheckFailed, ReconcilerError
from reconciler.rehearsal import rehearse
from reconciler.rehearsal.script import write
from reconciler.repository.secrets import open_secrets
from reconciler.state.manifest import UNREADABLE
from reconciler.trees.ignore import holding, left_alone
from reconciler.trees.plan import activations, diff, raise_if_unsafe
from reconciler.trees.render import render

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Contribution, Desired, Plan, Revision, Tree
    from reconciler.state.manifest import Stage
    from reconciler.trees.ignore import Rule

CONFIRMATION = "Confirm: deletions"


@dataclass(slots=True)
class Judged:
    """What a commit means for this host now, kept so that a pass need not repeat what the push's check did."""

    revision: Revision
    facts: Facts
    live: Tree
    plan: Plan
    origin: Contribution
    findings: tuple[Finding, ...]
    restores: bool
    desired: Desired
    stage: Stage | None = None
    rules: tuple[Rule, ...] = ()
    carried: tuple[str, ...] = ()
    rehearsed: bool = False

    @property
    def flows(self) -> int:
        """How many mail-flow tests the commit brings for this host; they were played if it was rehearsed."""
        flows = self.desired.section(Flows)
        return len(flows.all) if flows else 0


class Memory:
    """The last commit that was judged; it counts while facts are what they were, and live is that or the target."""

    def __init__(self) -> None:
        self.judged: Judged | None = None

    def recall(self, revision: Revision, edges: Edges) -> Judged | None:
        """What was found out about that commit, if it still holds."""
        known = self.judged
        if known is None or known.revision.oid != revision.oid or known.rules != _rules(edges):
            return None
        facts = fact.again(edges.host, edges.settings, known.facts, ask=not known.plan.empty)
        live = edges.generations.read(known.plan.target)
        if facts != known.facts or edges.generations.drift():
            return None
        if live == known.live:
            return known
        if live != known.plan.target or known.stage:
            return None
        done = replace(known.plan, live=live, changes=(), steps=())  # it went live, and that was the only difference
        self.judged = replace(known, live=live, plan=done, restores=True)
        return self.judged


def judge(revision: Revision, edges: Edges) -> Judged:
    """Load, lint, render and diff; raises InvalidSource for a commit that can't be read."""
    desired, facts, origin = understand(revision, edges)
    findings = lint(desired, facts, origin)
    target = render(origin, edges.templates)
    live = edges.generations.read(target)
    rules = _rules(edges)
    target, carried = _left_alone(revision, target, live, rules, edges)
    sources = {name: target[name].read() for name in carried if name in origin.tables}
    tables = {name: replace(table, source=sources.get(name, table.source)) for name, table in origin.tables.items()}
    origin = replace(origin, tables=tables)
    plan = _with_damage(diff(live, target, origin), edges)
    generation = edges.generations.live()
    restores = generation is not None and generation.owned() == target
    findings += [_ignoring(rule, origin) for rule in rules if rule.what in carried]
    return Judged(revision, facts, live, plan, origin, tuple(findings), restores, desired, rules=rules, carried=carried)


def _rules(edges: Edges) -> tuple[Rule, ...]:
    return holding(edges.settings.drift_ignore, datetime.now(UTC))


def _left_alone(
    revision: Revision, target: Tree, live: Tree, rules: tuple[Rule, ...], edges: Edges
) -> tuple[Tree, tuple[str, ...]]:
    """The target with what ignore rules leave alone: what differs from what the live commit made of this host."""
    generation = edges.generations.live()
    if not rules or generation is None:
        return target, ()
    base: Tree | None = target if generation.revision == revision.oid else None
    if base is None and generation.revision:
        try:
            _, _, merged = understand(edges.repo.revision(generation.revision), edges)
            base = render(merged, edges.templates)
        except (ReconcilerError, ValueError):
            base = None  # it can't be told any more what was edited since; what was left alone already stays so
    return left_alone(target, live, base, generation.carried, rules)


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


def understand(revision: Revision, edges: Edges) -> tuple[Desired, Facts, Contribution]:
    """Load a commit, compose its features, and gather the facts that it speaks of."""
    files = edges.repo.read(revision)
    secrets, unopened = open_secrets(files, edges.settings.identity)
    desired = load(files, edges.settings.host, secrets)
    desired = replace(desired, findings=(*desired.findings, *unopened))
    facts = fact.gather(edges.host, edges.settings, Mentioned(frozenset({baseline.ALIASES})))
    merged = compose(desired, facts)
    return desired, fact.gather(edges.host, edges.settings, mentioned(merged, facts)), merged


def refuse(judged: Judged, edges: Edges) -> None:
    """Raise CheckFailed or UnsafePlan when the commit must not go live; what is just as wrong live is only reported."""
    if errors_in(judged.findings):
        judged.findings = tuple(excused(list(judged.findings), _live_findings(judged, edges)))
    if errors_in(judged.findings):
        raise CheckFailed(judged.findings)
    generation = edges.generations.live()
    if generation is None or generation.revision != judged.revision.oid:  # what went live once was confirmed then
        said = _trailers(judged.revision, edges)
        raise_if_unsafe(judged.plan, confirmed=CONFIRMATION in said, rows=confirmed_rows(said))


def _live_findings(judged: Judged, edges: Edges, *, rehearsed: bool = False) -> list[Finding]:
    """The live revision judged by today's facts, by the rules or in a rehearsal; before adoption nothing is excused."""
    generation = edges.generations.live()
    if generation is None or not generation.revision or generation.revision == judged.revision.oid:
        return []
    try:
        understood = understand(edges.repo.revision(generation.revision), edges)
        if not rehearsed:
            return lint(*understood)
        return rehearse.rehearse(write(*understood), generation.root, edges.settings.config_directory, edges.host)
    except ReconcilerError:
        return []  # it can't be judged any more, so it excuses nothing


def _trailers(revision: Revision, edges: Edges) -> list[str]:
    """What the messages of a commit, and of those since the live one, say in their trailers."""
    generation = edges.generations.live()
    since = edges.repo.between(generation.revision, revision.oid) if generation and generation.revision else []
    return [trailer for one in (revision, *since) for trailer in one.trailers]


def _with_damage(plan: Plan, edges: Edges) -> Plan:
    """The plan with what else drifted: compiled maps, which belong to a generation and not to a tree."""
    told = {change.what for change in plan.changes} | {change.within for change in plan.changes}
    told |= {path for path in plan.live if plan.live[path] != plan.target.get(path)}
    damaged = [path for path in edges.generations.drift() if path not in told]
    live = edges.generations.live()
    made = {path for path, record in live.files.items() if record.made_from} if live else set[str]()
    changes = list(plan.changes)
    changes += [
        Change(kind=Kind.FILE, what=path, before="edited", after="compiled anew" if path in made else "put back")
        for path in damaged
    ]
    if live and live.source == UNREADABLE:
        changes.append(Change(kind=Kind.FILE, what="the live manifest", before="unreadable", after="written anew"))
    return replace(plan, changes=tuple(changes), steps=activations(changes))


def order(judged: Judged, edges: Edges) -> Order:
    """What apply() is asked to do."""
    revision, is_possible = judged.revision, edges.settings.rehearsal == "on" and not rehearse.limit(edges.host)
    return Order(
        plan=judged.plan, revision=revision.oid, source=f"commit {revision.short}", origin=judged.origin,
        committed_at=revision.committed_at.timestamp(), trusted=judged.restores, carried=judged.carried,
        script=write(judged.desired, judged.facts, judged.origin) if is_possible else None,
        excuse=lambda findings: (
            excused(findings, _live_findings(judged, edges, rehearsed=True)) if errors_in(findings) else findings
        ),
    )  # fmt: skip


def check(revision: Revision, edges: Edges, memory: Memory, *, stage: bool = True) -> Judged:
    """Everything up to the swap, touching nothing live; what it found is remembered for the pass.

    Without *stage*, which takes root, Postfix's own programs are not asked.
    """
    judged = memory.recall(revision, edges)
    if judged is None or not (judged.stage or judged.rehearsed or judged.plan.empty):
        judged = judge(revision, edges)
        refuse(judged, edges)
        forget(edges, memory)
        if stage and (judged.flows or not judged.plan.empty):
            asked = replace(order(judged, edges), trusted=judged.restores and not judged.plan.empty)
            made = stage_and_check(asked, edges, f"check-{revision.short}-{time.monotonic_ns()}")
            judged.findings, judged.stage = (*judged.findings, *made.doubts), replace(made, doubts=())
            judged.rehearsed = made.rehearsed
            if judged.plan.empty:  # only its flows were to be played
                edges.host.remove(made.folder)
                judged.stage = None
        memory.judged = judged
    return judged


def forget(edges: Edges, memory: Memory) -> None:
    """Drop what was remembered, and its stage."""
    if memory.judged and memory.judged.stage:
        edges.host.remove(memory.judged.stage.folder)
    memory.judged = None
