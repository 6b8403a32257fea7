"""Make a generation live: rename the link, activate Postfix, and verify that it answers as it did before."""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.apply.at_work import at_work
from reconciler.apply.conversations import POLL
from reconciler.apply.local_mail import try_postdrop
from reconciler.apply.other_queue import take_along
from reconciler.apply.questions import questions
from reconciler.apply.targets import NOTHING_ASKED, Expected, Fault
from reconciler.apply.verify import LOG_DELAY, Verified, fatal_since, faults_before, listen, verify, working
from reconciler.host import addresses
from reconciler.host.facts import ports
from reconciler.host.log_times import logged_at
from reconciler.host.maillog import open_log
from reconciler.host.processes import boot_clock
from reconciler.host.programs import postconf, postfix
from reconciler.model import MASTER, Activation, Finding, Severity, Where, errors_in, taking_mail
from reconciler.model.errors import ReconcilerError
from reconciler.postfix.log import was_stopped
from reconciler.postfix.places import SourcePlaces
from reconciler.postfix.syntax import read_master
from reconciler.state.records import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from reconciler.apply.compare import MailAnswers
    from reconciler.apply.edges import Edges
    from reconciler.apply.questions import Asked
    from reconciler.host.effects import Host
    from reconciler.host.maillog import MailLog, Mark
    from reconciler.model import Service
    from reconciler.state.generations import Generations
    from reconciler.state.manifest import Generation

_BEGINNING = 4096
_OF_HOST = frozenset({
    errno.EACCES, errno.EAGAIN, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC,
    errno.EPERM, errno.EROFS,
})  # fmt: skip
"""What the kernel says when this host has a trouble, and no configuration is to blame."""
_IDLE, _MOST_IDLE = 0.1, 0.4
"""Seconds for the next idle daemon to end after a reload, and for all of them, beside that."""
_OF_A_SERVICE = 0.0005
"""Seconds that master takes at most to read a service of master.cf, before the first idle daemon ends."""
_LAST_WORDS = 5.0
"""Seconds between the last line of a master that was stopped and the moment in which its end is seen, at most."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What the listeners were asked before an activation, what they answered, and the *places* of what goes live.

    *faults* are the fatal errors that Postfix logged then.
    """

    asked: Asked = NOTHING_ASKED
    before: MailAnswers | None = None
    places: SourcePlaces = field(default_factory=SourcePlaces)
    confirmed: bool = False
    faults: frozenset[Fault] = frozenset()


NO_WITNESS = Witness()


def witness(root: Path, places: SourcePlaces, edges: Edges, *, recipients: bool) -> Witness:
    """Ask the running Postfix, before its configuration is changed to the one in *root*.

    Without *recipients*, only how far each listener answers. A Postfix that can't be asked has no answers.
    """
    asked = questions(postfix.live(edges.host, root).values, _beginning) if recipients else NOTHING_ASKED
    try:
        live, instance = edges.generations.live(), edges.postfix()
        asked = asked.since(questions(instance.values, _beginning)) if recipients else asked
        if live is None or postfix.running(instance) is None:
            return Witness(asked, None, places)
        expected = _as_it_runs(live, instance, edges)
        hand_in = _hand_in(instance, asked, edges)
        answers = listen(replace(expected, tries=1, asked=asked, hand_in=hand_in))
        faults = faults_before(expected.log.mark(), expected.log, instance, expected.services)
        return Witness(asked, answers, places, faults=faults)
    except (ReconcilerError, OSError):  # a person removed live files, which this commit or a revert brings back
        return Witness(asked, None, places)


def _hand_in(instance: postfix.Instance, asked: Asked, edges: Edges) -> Callable[[], str | None]:
    return partial(try_postdrop, edges.host, instance) if asked.recipients else lambda: None


def _beginning(path: str) -> bytes:
    """Return the beginning of a table's source, up to the end of a line."""
    try:
        with Path(path).open("rb") as stream:
            text = stream.read(_BEGINNING)
    except OSError:
        return b""
    return text if len(text) < _BEGINNING else text[: text.rfind(b"\n") + 1]


def go_live(
    generation: Generation, step: Activation, before: postfix.Instance, edges: Edges, known: Witness = NO_WITNESS
) -> Verified:
    """Rename the link, activate Postfix and verify that it answers; a failure after the rename is a finding.

    *before* is Postfix as it ran until now, and *known* what it answered; the result holds Postfix as the new live
    main.cf describes it. A Postfix that does not answer, with no reason in its log, is restarted and verified once
    more: a service that died under the old configuration may be throttled, and a master may be killed from outside.
    One that dies of the new configuration logs why.
    """
    verified = _go_live(generation, step, before, edges, known)
    if verified.silent and (step is Activation.RELOAD or verified.died):
        edges.say("restart: Postfix does not answer and logs no reason")
        again = _go_live(generation, Activation.RESTART, verified.instance, edges, known)
        verified = replace(again, unread=False)
    return verified


def _go_live(
    generation: Generation, step: Activation, before: postfix.Instance, edges: Edges, known: Witness
) -> Verified:
    log = open_log(edges.host, before.values)
    mark, after, reached = log.mark(), before, False
    master = postfix.running(before)
    try:
        if live_path(edges.generations) != generation.path:
            edges.generations.switch(generation)
        after = edges.postfix()
        if step is Activation.NOTHING:
            return Verified(after, take_along(before, after, edges.host))
        # A process from between the rename and this has the old options.
        old, since = postfix.children(before), boot_clock()
        activate(step, before, after, edges)
        reached = True
        services = _services(generation)
        if step is Activation.RELOAD:
            let_go(old, after, len(services))
        left = take_along(before, after, edges.host)
        edges.say("verify")
        expected = replace(
            _expected(after, services, log, mark, edges, known.places),
            asked=known.asked, before=known.before, confirmed=known.confirmed, faults=known.faults,
            hand_in=_hand_in(after, known.asked, edges), since=since, old=old, master=postfix.last_pid(after) or 0,
        )  # fmt: skip
        verified = verify(expected)
        if errors_in(verified.findings) and _stays_stopped(after, edges.host):
            verified = _stopped_meanwhile(after)
        return replace(verified, findings=tuple(known.places.of_all([*verified.findings, *left])))
    except (ReconcilerError, OSError) as error:
        text = f"{step.value} failed: {error}"
        where = Where(str(after.directory / postconf.MAIN))
        failed = [Finding(rule="activation", where=where, text=text, subject=step.value, lasting=False)]
        # `postfix start` reports only the failure; the master logs the reason.
        with suppress(ReconcilerError, OSError):
            expected = _expected(after, _services(generation), log, mark, edges, known.places)
            failed += fatal_since(replace(expected, faults=known.faults))
        unable = isinstance(error, OSError) and error.errno in _OF_HOST and not failed[1:]
        runs = postfix.running(before)
        unread = unable and not reached and master is not None and runs == master
        ended = step is Activation.RELOAD and runs is None and not failed[1:]  # and could not be told to reload
        if ended and _stays_stopped(before, edges.host):
            return _stopped_meanwhile(after)
        findings = tuple(known.places.of_all(failed))
        return Verified(after, findings, silent=ended and not unable, unable=unable, unread=unread)


def let_go(old: frozenset[int], instance: postfix.Instance, services: int) -> None:
    """Wait a little until idle daemons of before a reload have ended; those that serve a client may stay for long.

    master reads all its *services* first, of which there may be thousands.

    An old smtpd that gets a client meanwhile waits for a second for anvil(8), which has ended. As long as it serves,
    master may take it for one that is free and start no other, so that all clients wait.
    """
    left, until = old, time.monotonic() + _IDLE + services * _OF_A_SERVICE
    end = until + _MOST_IDLE
    while left and time.monotonic() < min(until, end):
        time.sleep(POLL / 4)
        still = left & postfix.children(instance)
        if still != left:
            left, until = still, time.monotonic() + _IDLE


def reload(edges: Edges) -> tuple[Finding, ...]:
    """Have a running Postfix read the files outside the generation again, and verify that it answers."""
    live, instance = edges.generations.live(), edges.postfix()
    if live is None or postfix.running(instance) is None:
        return ()
    with edges.generations.locks.activation(), edges.host.spared():
        return go_live(live, Activation.RELOAD, instance, edges).findings


def probe(edges: Edges) -> tuple[Finding, ...]:
    """Ask the running Postfix, as it is, whether all its services answer."""
    live, instance = edges.generations.live(), edges.postfix()
    if live is None:
        return ()
    return verify(replace(_as_it_runs(live, instance, edges), settle=0)).findings


def _stays_stopped(instance: postfix.Instance, host: Host) -> bool:
    """Return whether Postfix was stopped on purpose; an administrator who restarts it stops it for a moment."""
    return bool(_stopped(instance, host)) and not postfix.comes_up(instance)


def _stopped_meanwhile(instance: postfix.Instance) -> Verified:
    """Return that nothing is known of a Postfix which stays stopped."""
    finding = Finding(
        rule="stopped-meanwhile", where=Where(str(instance.pid_file)), subject="postfix",
        text="an administrator stopped Postfix while it was being verified",
        severity=Severity.WARNING, lasting=False,
    )  # fmt: skip
    return Verified(instance, (finding,))


def ask_for_mail(edges: Edges) -> Verified:
    """Ask the running Postfix, as it is, whether it takes mail for each kind of recipient."""
    live, instance = edges.generations.live(), edges.postfix()
    if live is None or postfix.running(instance) is None:
        return Verified(instance)
    asked = questions(instance.values, _beginning)
    hand_in = _hand_in(instance, asked, edges)
    return verify(replace(_as_it_runs(live, instance, edges), settle=0, tries=1, asked=asked, hand_in=hand_in))


def answering(edges: Edges, tables: Collection[str] = ()) -> frozenset[str]:
    """Return the services of what is live that clients can use now, and MASTER; none if Postfix does not run.

    A service that takes mail does so with each of the *tables*, the tables and files that Postfix has read. So may any
    other program that runs since before one of them vanished.
    """
    live, instance = edges.generations.live(), edges.postfix()
    master = postfix.running(instance)
    if live is None or master is None:
        return frozenset()
    expected = _as_it_runs(live, instance, edges)
    asked = questions(instance.values, _beginning) if tables else NOTHING_ASKED
    others = at_work(master, tables)
    found = working(replace(expected, tries=1, asked=asked))
    taking = {key for key in found if taking_mail(key) in found}
    return found | others | {taking_mail(key, one) for key in taking for one in tables} | {MASTER}


def _as_it_runs(live: Generation, instance: postfix.Instance, edges: Edges) -> Expected:
    """Return what is expected of the running Postfix if it is only asked."""
    log = open_log(edges.host, instance.values)
    return _expected(instance, _services(live), log, log.mark(), edges)


def _expected(
    instance: postfix.Instance, services: tuple[Service, ...], log: MailLog, mark: Mark, edges: Edges,
    places: SourcePlaces = NO_WITNESS.places,
) -> Expected:  # fmt: skip
    return Expected(
        instance=instance, services=services, addresses=addresses.own(), ports=ports(), log=log, mark=mark,
        since=0, settle=edges.settings.settle, place=partial(_place, places, edges),
    )  # fmt: skip


def live_path(generations: Generations) -> Path | None:
    """Return the folder of the live generation; None before adoption."""
    live = generations.live()
    return live.path if live else None


def activate(step: Activation, before: postfix.Instance, after: postfix.Instance, edges: Edges) -> None:
    """Reload or restart a running Postfix, or start a stopped one; *before* is the instance as it ran."""
    host = edges.host
    edges.activated()
    if postfix.running(before) is None:
        postfix.start(host, after)
    elif step is Activation.RELOAD:
        postfix.reload(
            host, before, rehash=any(before.values.get(name) != after.values.get(name) for name in postconf.HASHING)
        )
    else:
        edges.journal.step(Step.RESTART)  # if killed between stop and start, recover() must start it
        postfix.restart(host, after, before)


def _services(generation: Generation) -> tuple[Service, ...]:
    """Return the services of a generation as Postfix reads them."""
    text = (generation.root / postconf.MASTER).read_text("utf-8", "surrogateescape")
    return tuple(read_master(text, postconf.MASTER)[0])  # as the check has read it


def _place(places: SourcePlaces, edges: Edges, service: Service) -> Where:
    """Return the place of a service in the desired state, or in this host's master.cf if it has none there."""
    written = places.merged.services.get(service.key)
    here = str(edges.settings.config_directory / postconf.MASTER)
    return written.where if written else replace(service.where, file=here)


def keep_running(edges: Edges) -> None:
    """Start Postfix with the live files when the rollback failed too: a full disk must not stop mail."""
    with suppress(ReconcilerError, OSError):
        instance = edges.postfix()
        if postfix.running(instance) is None:
            postfix.start(edges.host, instance)


def _stopped(instance: postfix.Instance, host: Host, lived: float = 0.0) -> bool | None:
    """Return whether the last master was stopped on purpose; None while one runs, or if the log does not show it."""
    pid = postfix.last_pid(instance)
    if pid is None or postfix.running(instance) is not None:
        return None
    log = open_log(host, instance.values)
    deadline = time.monotonic() + LOG_DELAY
    while (stopped := was_stopped(log.last_of("master", pid))) is False and time.monotonic() < deadline:
        time.sleep(LOG_DELAY / 10)
    # Its own last words come with its end, and any local user can write them earlier.
    if stopped and lived and log.forgeable:
        at = logged_at(log.last_of("master", pid), lived)
        return at is None or at >= lived - _LAST_WORDS
    return stopped


def died(instance: postfix.Instance, host: Host, lived: float = 0.0) -> bool:
    """Return whether Postfix's master ended without being stopped; False also if the mail log does not show it.

    *lived* is the last time at which it is known to have run; zero if that is not known.
    """
    return _stopped(instance, host, lived) is False
