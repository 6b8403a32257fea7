"""THE DANGEROUS FILE: the only one that changes what Postfix reads. It reads as the apply protocol does.

    intend -> stage -> check -> rehearse -> place -> swap -> activate -> verify, or undo

Promises: before the swap nothing live has changed by a byte; after it, either the new generation answers or the old one
is back. Killed at any point, recover() leaves the old generation whole or the new one whole, and Postfix running if it
ran. Raises CheckFailed before the swap, and Unavailable, CommandFailed or OSError for our own trouble, always with the
old generation live; what happens after the swap is an Outcome.

Known limit: a foreign file that is written in the very instant of the rename is carried over one pass late.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import facts as fact
from reconciler import providers
from reconciler.companions import STEP
from reconciler.errors import ReconcilerError, Unavailable
from reconciler.maillog import open_log
from reconciler.model import (
    Activation,
    Applied,
    Broken,
    Contribution,
    Finding,
    RolledBack,
    Severity,
    Where,
    errors_in,
)  # fmt: skip
from reconciler.programs import postfix
from reconciler.requeue import requeue, rerouted
from reconciler.staging import stage_and_check
from reconciler.syntax import read_master
from reconciler.verify import Expected, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reconciler.generations import Generations
    from reconciler.host import Host
    from reconciler.journal import Journal, Line
    from reconciler.manifest import Generation, Stage
    from reconciler.model import Outcome, Plan, Service
    from reconciler.repo import Repository
    from reconciler.script import Script
    from reconciler.settings import Settings

_ATTEMPTS = 3
_STOPPED_MEANWHILE = Finding(
    rule="stopped-meanwhile", where=Where("mail.yaml"), text="somebody stopped Postfix while it was being verified",
    subject="postfix", severity=Severity.WARNING, lasting=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Everything outside that a pass works with, and *say*, which tells whoever follows what begins.

    *activated* is called for each reload and restart of Postfix.
    """

    settings: Settings
    host: Host
    repo: Repository
    generations: Generations
    journal: Journal
    templates: Mapping[str, str]
    say: Callable[[str], None] = field(default=lambda _: None)
    activated: Callable[[], None] = field(default=lambda: None)

    def postfix(self) -> postfix.Instance:
        """The Postfix that we manage, as its live main.cf describes it now."""
        return postfix.live(self.host, self.settings.config_directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make live: a plan's target and, in words, its *source*; *origin* says who asked for each setting.

    *carried* names what an ignore rule left alone. A *trusted* target was live and verified before (undo, rollback,
    drift, rescue): it passes no check. *script* is what a rehearsal plays, if there is one, and *excuse* makes warnings
    of what is just as wrong in what is live.
    """

    plan: Plan
    revision: str
    source: str
    committed_at: float
    origin: Contribution = field(default_factory=Contribution)
    trusted: bool = False
    script: Script | None = None
    excuse: Callable[[list[Finding]], list[Finding]] = list
    carried: tuple[str, ...] = ()


# ---- the protocol ----------------------------------------------------------------------------------------------------


def apply(order: Order, edges: Edges, stage: Stage | None = None) -> Outcome:
    """Make *order* live, or leave the host as it was. *stage* is one that was staged and checked already."""
    generations, journal = edges.generations, edges.journal
    before = generations.live()
    if before is None:
        raise Unavailable(f"{generations.config_directory} is not adopted yet: reconciler once --adopt")
    instance = edges.postfix()
    ran = postfix.running(instance) is not None or died(edges)
    newest = max(one.number for one in generations.all())
    intent = {"revision": order.revision, "source": order.source, "before": str(before.path), "newest": newest}
    journal.intend(intent | {"ran": ran})

    edges.say("staged and checked" if stage else "stage and check")
    stage = _undisturbed(order, edges, stage)
    made = stage.folder
    try:
        after = generations.place(stage, order.plan.target, order.revision, order.source, order.carried)
        made = after.path
        if generations.drift():
            generations.taint(before)
        journal.step("swap")
    except OSError:
        with suppress(OSError):  # as above
            edges.host.remove(made)
        raise

    rows = rerouted(order.plan)  # before the swap, for its files are read where they are live
    step = order.plan.steps[0] if ran and order.plan.steps else Activation.NOTHING
    silent = generations.companions.silent(before)
    if doubts := providers.provide(before, after, order.origin, edges):
        if errors_in(doubts):
            return undo(before, after, Activation.NOTHING, doubts, edges, silent)
        stage = replace(stage, doubts=(*stage.doubts, *doubts))
    edges.say(f"swap and {step.value}" if step is not Activation.NOTHING else "swap")
    findings = _go_live(after, step, instance, edges, order.origin)
    rules = {finding.rule for finding in errors_in(findings)}
    # What died under the old configuration may be throttled, and a master that dies of the new one says why.
    if rules and rules <= {"master-died", "service-silent"} and (step is Activation.RELOAD or "master-died" in rules):
        edges.say("restart: it does not answer, and says nothing")
        findings = _go_live(after, Activation.RESTART, edges.postfix(), edges, order.origin)
    if not errors_in(findings):
        findings += [*requeue(rows, edges.postfix(), edges.host), *providers.release(edges)]
        return Applied((*stage.doubts, *findings))
    if _live_path(edges) == before.path:
        providers.back(before, after, edges)
        raise Unavailable(findings[0].text)  # the rename itself failed: nothing has changed
    return undo(before, after, step, findings, edges, silent)


def _undisturbed(order: Order, edges: Edges, stage: Stage | None) -> Stage:
    """A stage whose foreign files are what is live right now: somebody else's edit meanwhile stages anew."""
    for _ in range(_ATTEMPTS):
        stage = stage or stage_and_check(order, edges, "pass")
        if not edges.generations.foreign_changed(stage, order.plan.target):
            return stage
        edges.host.remove(stage.folder)
        stage = None
    raise Unavailable(f"{edges.generations.config_directory}: somebody else keeps changing files in it")


def _go_live(
    generation: Generation, step: Activation, instance: postfix.Instance, edges: Edges, origin: Contribution
) -> list[Finding]:
    """The rename, the activation and the look whether it answers; what goes wrong after the rename is a finding."""
    log = open_log(edges.host, instance.values["maillog_file"])
    mark = log.mark()
    try:
        if _live_path(edges) != generation.path:
            edges.generations.switch(generation)
        if step is Activation.NOTHING:
            return []
        since = fact.boot_clock()  # what started between the rename and this still has the old options
        activate(step, instance, edges)
        edges.say("verify")
        known = fact.gather(edges.host, edges.settings)
        findings = verify(
            Expected(
                instance=edges.postfix(),
                services=_services(generation, origin),
                addresses=known.addresses,
                ports=known.ports,
                log=log,
                mark=mark,
                since=since,
                settle=edges.settings.settle,
            )
        )
        return [_STOPPED_MEANWHILE] if errors_in(findings) and _stopped(edges) else findings
    except (ReconcilerError, OSError) as error:
        text = f"{step.value} failed: {error}"
        return [Finding(rule="activation", where=Where("mail.yaml"), text=text, subject=step.value, lasting=False)]


def reload(edges: Edges) -> list[Finding]:
    """Have a Postfix that runs read anew what lies outside the generation, and look whether it answers."""
    live, instance = edges.generations.live(), edges.postfix()
    if live is None or postfix.running(instance) is None:
        return []
    return _go_live(live, Activation.RELOAD, instance, edges, Contribution())


def _live_path(edges: Edges) -> Path | None:
    live = edges.generations.live()
    return live.path if live else None


def activate(step: Activation, before: postfix.Instance, edges: Edges) -> None:
    """Reload or restart a Postfix that runs, start one that does not; *before* is the instance as it ran."""
    host = edges.host
    edges.activated()
    if postfix.running(before) is None:
        postfix.start(host, edges.postfix())
    elif step is Activation.RELOAD:
        after = edges.postfix()
        postfix.reload(
            host, before, rehash=any(before.values.get(name) != after.values.get(name) for name in postfix.HASHING)
        )
    else:
        edges.journal.step(Activation.RESTART)  # killed between stop and start, recover() must start it
        postfix.restart(host, edges.postfix(), before)


def _services(generation: Generation, origin: Contribution) -> tuple[Service, ...]:
    """The services of a generation as Postfix reads them, each with its place in the desired state."""
    text = (generation.root / "master.cf").read_text("utf-8", "surrogateescape")
    services, _ = read_master(text, "master.cf")
    known = {key: service.where for key, service in origin.services.items() if service}
    return tuple(replace(service, where=known.get(service.key, service.where)) for service in services)


def undo(
    before: Generation, after: Generation, step: Activation, findings: list[Finding], edges: Edges,
    silent: Collection[str] = (),
) -> Outcome:  # fmt: skip
    """Put the link back and have Postfix take it over, started if it died. The failed generation stays as evidence.

    Companions go back before it, and what *before* has no use for stops after it; those that were *silent* may stay so.
    """
    edges.say("roll back")
    with suppress(OSError):  # recover() undoes with and without it
        edges.journal.step("undo")
    lost = providers.restore(before, after, silent, edges)
    # master(8) keeps a service that died throttled for a minute, over any reload: only a new master serves at once.
    again = step if step is Activation.NOTHING else Activation.RESTART
    problems = errors_in(_go_live(before, again, edges.postfix(), edges, Contribution()))
    if _live_path(edges) != before.path:  # the disk refused the rename: perhaps for a moment only
        problems = errors_in(_go_live(before, again, edges.postfix(), edges, Contribution()))
    if problems and again is not Activation.NOTHING:
        _up(edges)
    edges.generations.taint(after)
    lost += providers.release(edges)
    problems += errors_in(lost)
    return Broken((*problems, *findings)) if problems else RolledBack((*findings, *lost))


def _up(edges: Edges) -> None:
    """Have Postfix run with whatever is live, when the way back failed too: a full disk must not stop mail."""
    with suppress(ReconcilerError, OSError):
        if postfix.running(edges.postfix()) is None:
            postfix.start(edges.host, edges.postfix())


# ---- what was cut short ----------------------------------------------------------------------------------------------


def recover(edges: Edges) -> Line | None:
    """Finish what a killed pass left: the old generation whole and live, and Postfix running if it ran.

    Answers the intent that was open, or None when nothing was cut short. To undo is the one way that is always safe:
    the next pass does it all again.
    """
    generations = edges.generations
    if (healed := generations.heal()) and postfix.running(edges.postfix()) is not None:
        edges.say(f"generation {healed.number} is live again: the live link was gone")
        postfix.reload(edges.host, edges.postfix())
    intent = edges.journal.open_intent()
    if intent is None:
        return None
    edges.say("recover")
    before = generations.get(Path(intent["before"])) if intent.get("before") else None
    if before and generations.adopted:
        restarting = Activation.RESTART in intent["steps"]
        touched = {step.removeprefix(STEP) for step in intent["steps"] if step.startswith(STEP)}
        _switch_back(before, touched, edges, start=intent["ran"] and restarting)
        for generation in generations.all():
            if generation.number > intent["newest"]:
                edges.host.remove(generation.path)
        instance = edges.postfix()
        if postfix.running(instance) is None:
            if intent["ran"] and (restarting or died(edges)):
                postfix.start(edges.host, instance)
        elif restarting:
            postfix.restart(edges.host, instance)  # it may run with what only a restart changes
        else:
            postfix.reload(edges.host, instance)
    providers.release(edges)
    generations.sweep()
    return intent


def _switch_back(before: Generation, touched: Collection[str], edges: Edges, *, start: bool) -> None:
    """Make the old generation live, companions first; where the disk refuses, Postfix still runs if it ran."""
    try:
        edges.generations.companions.provide(before, before, edges.journal.step, touched)
        if _live_path(edges) != before.path:
            edges.generations.switch(before)
    except OSError:
        if start or died(edges):
            _up(edges)
        raise


def _stopped(edges: Edges) -> bool | None:
    """Whether the master that ran last was stopped by somebody; None while one runs, or where the log can't tell."""
    instance = edges.postfix()
    pid = postfix.last_pid(instance)
    if pid is None or postfix.running(instance) is not None:
        return None
    log = open_log(edges.host, instance.values["maillog_file"])
    return postfix.was_stopped(log.last_of("master", pid))


def died(edges: Edges) -> bool:
    """Whether Postfix's master ended without being stopped; False as well where the mail log can't tell."""
    return _stopped(edges) is False


def revive(edges: Edges) -> bool:
    """Start a master that died; one that an administrator stopped stays stopped. Whether it was started."""
    if not edges.generations.adopted or not died(edges):
        return False
    edges.say("start Postfix, which had died")
    postfix.start(edges.host, edges.postfix())
    return True
