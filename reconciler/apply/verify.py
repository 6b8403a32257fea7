"""Verify the live Postfix after the swap: the master runs, every service answers, and mail is taken as it was before.

Promises: verify() leaves no mail behind. It talks to every inet service at once while it watches the master and the
log. It returns as soon as the master or a service dies of a fatal error, or right after the settle time when all is
well. Only an answer by a process that started after `since` counts: for 20 to 50 ms after a reload old ones still
answer. Each finding names its service; none is lasting. What failed before the activation and fails likewise is a
warning.
Raises OSError as the kernel gives it, CommandFailed when the journal cannot be read.

Known limits: certificates are not checked, only that the handshake succeeds; with smtpd_tls_req_ccert not even that.
For services other than smtpd and postscreen, only the connection is tested. A process that master starts between the
signal and its own reload counts as new.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from reconciler.apply.compare import AS_BEFORE, WAITS, MailAnswers, compare, summary
from reconciler.apply.conversations import POLL, Conversations, answers_of
from reconciler.apply.targets import started
from reconciler.host import processes
from reconciler.host.programs import postconf, postfix
from reconciler.host.programs.vocabulary import quotable
from reconciler.model import MASTER, Finding, Severity, Where, in_tls, taking_mail
from reconciler.model.past import PastOfEach
from reconciler.postfix.log import fatal_lines, since_activation, steady, warning_lines
from reconciler.postfix.replies import Meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from reconciler.apply.compare import Worse
    from reconciler.apply.conversations import Problem, Visit
    from reconciler.apply.targets import Expected, Fault
    from reconciler.host.maillog import MailLog, Mark
    from reconciler.model import Service
    from reconciler.postfix.log import LogLine

LOG_DELAY = 1.0
"""Seconds that a busy host may take until the last line of a master that ended is in the mail log."""
_LOOK = 0.5  # seconds between two looks at the log while services are silent
_DIED = " logged: fatal: "
_SHOWN = 2
THROTTLING = "bad command startup -- throttling"
"""The end of master's line about a service that it starts no process of for a while."""
_OF_BEFORE = re.compile(rf'{THROTTLING}$|service is not configured for table "[^"]*"$')
"""What processes of before the activation may cause: an old proxymap(8) refuses a table that it does not know."""
_own_names: PastOfEach[Service, tuple[str, ...]] = PastOfEach()


@dataclass(frozen=True, slots=True)
class Verified:
    """The state of *instance* after an activation.

    *died*: the master ended. *silent*: a service fails or is throttled, and the log gives no reason, or one that
    processes of before the activation may have caused. *told* says what was verified; it is empty if nothing was.
    *unable*: this host kept the activation from being made, whatever was to go live; *unread*: Postfix has not even
    begun to read it.
    """

    instance: postfix.Instance
    findings: tuple[Finding, ...] = ()
    died: bool = False
    silent: bool = False
    told: str = ""
    unable: bool = False
    unread: bool = False


def verify(expected: Expected) -> Verified:
    """Verify the running Postfix; return no finding when all is well."""
    daemons: set[int] | None = set() if expected.log.forgeable else None
    with Conversations(expected) as conversations:
        unsent = expected.hand_in()
        death = _early_death(expected, daemons)
        logged = _fatal(expected, daemons)
        # A silent service has much time, unless it died. What else is logged may come of a dialogue that goes on.
        while not (death or logged or conversations.over(_LOOK)):
            death = _death(expected)
            logged = [one for one in _fatal(expected, daemons) if _DIED in one.text]
        death = death or _death(expected)
        visits = [] if death else conversations.visits(wait=False)  # without a master, no answer tells anything
        problems = [visit.problem for visit in visits if visit.problem and not _failed_before(visit, expected)]
        if not death and not logged and not problems:
            logged = _fatal(expected, daemons)  # the dialogues may have caused a service to log an error
    if death or problems:  # a second witness: now every line explains
        logged = _reasons(expected, patience=LOG_DELAY if death else 0)
    answers = answers_of(visits, unsent)
    worse = [] if death else list(_compared(answers, visits, expected))
    logged = [one for one in logged if not any(_tells(one, other) for other in worse)]
    findings = (*death, *logged, *(problem.finding for problem in problems), *worse, *_likewise(visits, expected))
    # A service that was silent before counts as well: master(8) throttles it, so that no reload alone can repair it. It
    # says so after the reload, too, of a process that had begun before.
    failing = [visit.problem for visit in visits if visit.problem]
    # What others than the master log says nothing about its end.
    telling = [one for one in logged if one.subject == MASTER] if death else logged
    explained = any(not _OF_BEFORE.search(one.text) for one in telling)
    silent = bool(failing or death or logged) and not explained
    silent = silent and all(_may_be_throttled(problem, expected) for problem in failing)
    told = "" if death else _told(answers, visits)
    return Verified(expected.instance, findings, died=bool(death), silent=silent, told=told)


def listen(expected: Expected) -> MailAnswers:
    """Return what the running Postfix answers, before an activation."""
    with Conversations(expected) as conversations:
        unsent = expected.hand_in()
        return answers_of(conversations.visits(wait=True), unsent)


def working(expected: Expected) -> frozenset[str]:
    """Return the services that clients can use now, can use in TLS, and that take mail; for smtpd, a postscreen counts.

    A service takes mail if it does for some recipient, and tells of trouble for none.
    """
    with Conversations(expected) as conversations:
        visits = conversations.visits(wait=True)
    failing = {visit.target.service.key for visit in visits if visit.problem}
    well = [visit for visit in visits if visit.target.service.key not in failing]
    screened = [visit for visit in well if visit.target.service.command == "postscreen"]
    behind = [service.key for service in started(expected, "pass")]
    found = [(visit.target.service.key, visit) for visit in well]
    found += [(key, visit) for key in behind for visit in screened]
    said = {(key, meaning(one.reply)) for key, visit in found for one in visit.heard.replies.values()}
    taking = {key for key, what in said if what is Meaning.TAKEN and (key, Meaning.TROUBLE) not in said}
    showing = {key for key, visit in found if visit.heard.certified}
    return frozenset({key for key, _ in found} | {*map(in_tls, showing)} | {*map(taking_mail, taking)})


def _early_death(expected: Expected, daemons: set[int] | None) -> list[Finding]:
    """Wait until the master has lived for the settle time, or is dead; meanwhile, collect its *daemons*."""
    start = time.monotonic()
    while (now := time.monotonic() - start) < expected.settle:
        if death := _death(expected):
            return death
        _collect(daemons, expected)
        time.sleep(min(POLL, expected.settle - now))
    return []


def _death(expected: Expected) -> list[Finding]:
    """Return that the master has ended, also if another one was started since; nothing while it lives."""
    if expected.master is None or postfix.running(expected.instance) == expected.master:
        return []
    text = f"master died {processes.boot_clock() - expected.since:.1f} s after the activation"
    return [Finding(rule="master-died", where=_main(expected), text=text, subject=MASTER, lasting=False)]


# ---- compared with before --------------------------------------------------------------------------------------------


def _failed_before(visit: Visit, expected: Expected) -> bool:
    return expected.before is not None and visit.target.place in expected.before.failed


def _may_be_throttled(problem: Problem, expected: Expected) -> bool:
    """Return whether a service is silent, or waits for one that died of a fatal error before the activation."""
    return problem.is_silence or (problem.hangs and bool(expected.faults))


def _likewise(visits: Sequence[Visit], expected: Expected) -> Iterator[Finding]:
    """Yield the faults of services that failed before as well, as warnings."""
    for visit in visits:
        if visit.problem and _failed_before(visit, expected):
            yield visit.problem.finding.as_warning(AS_BEFORE)


def _compared(answers: MailAnswers, visits: Sequence[Visit], expected: Expected) -> Iterator[Finding]:
    """Yield how mail is taken worse than before, with what Postfix logged about it."""
    before, targets = expected.before or MailAnswers(), {visit.target.place: visit.target for visit in visits}
    asked = expected.asked
    found = compare(before, answers, confirmed=expected.confirmed, unlisted=asked.unlisted, guessed=asked.guessed)
    logged = _warnings(expected) if found else ""
    for one in found:
        target = targets[one.question.listener]
        text = f"{target}: {_sentence(one)}{logged}"
        finding = Finding(
            rule="mail-waits" if one.rule == WAITS else "mail-refused",
            where=expected.place(target.service),
            text=text,
            subject=target.service.key,
            lasting=False,
        )
        yield finding.as_warning(one.excuse) if one.excuse else finding
    if answers.unsent and before.unsent is not None:
        text = f"a program of this host can't hand in mail: {answers.unsent}"
        program = Where(f"{expected.instance.values['command_directory']}/postdrop")
        where = program if before.unsent else _main(expected)  # it is this host's trouble, or of what went live
        finding = Finding(rule="sendmail-fails", where=where, text=text, subject="postdrop", lasting=False)
        yield finding.as_warning(AS_BEFORE) if before.unsent else finding
    if expected.asked.recipients and not answers.kinds and not answers.troubles:
        text = "no listener takes mail for any recipient that was asked for, so that nothing says whether mail flows"
        yield Finding(
            rule="nothing-verified", where=_main(expected), text=text, subject="mail", severity=Severity.WARNING,
            lasting=False,
        )  # fmt: skip


def _main(expected: Expected) -> Where:
    """Return the place on this host of what no line of it is named for."""
    return Where(str(expected.instance.directory / postconf.MAIN))


def _sentence(one: Worse) -> str:
    sender = f"<{one.question.sender}>"
    whom = f"{one.question.client}, from {sender} to the {one.question.kind} recipient {one.said.recipient}"
    earlier = f', where it was "{one.before}" before' if one.before else ""
    return f'it answers "{one.said.reply}" to {whom}{earlier}'


def _tells(logged: Finding, worse: Finding) -> bool:
    """Return whether a line of the log is about the reply that another finding quotes."""
    reply = worse.text.partition('"')[2].partition('"')[0]
    return bool(reply) and reply in logged.text


def _warnings(expected: Expected) -> str:
    """Return the first warnings that Postfix logged since the activation, to be added to a text."""
    names = log_names(expected.instance, expected.services)
    lines = {line.text: line for line in warning_lines(expected.log.since(expected.mark), names)}
    shown = [quotable(text, expected.instance.directory) for text in list(lines)[:_SHOWN]]
    return f"; Postfix logged: {'; '.join(shown)}" if shown else ""


def _told(answers: MailAnswers, visits: Sequence[Visit]) -> str:
    """Return what was verified."""
    listeners = {visit.target.service.key for visit in visits if not visit.problem}
    return summary(len(listeners), len(answers.kinds), submits=answers.unsent == "")


# ---- the mail log ----------------------------------------------------------------------------------------------------


def _fatal(expected: Expected, daemons: set[int] | None) -> list[Finding]:
    """Return the fatal errors that the log shows since the activation; with *daemons*, only those that they logged."""
    _collect(daemons, expected)
    return fatal_since(expected, daemons)


def _reasons(expected: Expected, patience: float) -> list[Finding]:
    """Return every fatal error since the activation; wait up to *patience* seconds for the first one.

    A syslog daemon writes the master's last line a little after its end.
    """
    deadline = time.monotonic() + patience
    while True:
        logged = fatal_since(expected)
        if logged or time.monotonic() >= deadline:
            return logged
        time.sleep(LOG_DELAY / 10)


def _collect(daemons: set[int] | None, expected: Expected) -> None:
    """Add Postfix's processes, unless it is None: then only Postfix can write to the log.

    A daemon sleeps for a second between its fatal error and its end, so it is found here.
    """
    if daemons is not None:
        daemons |= postfix.processes(expected.instance)


def fatal_since(expected: Expected, daemons: Collection[int] | None = None) -> list[Finding]:
    """Return the fatal errors logged since the activation that the configuration before did not cause as well.

    With *daemons*, only what these processes logged. Old processes have the configuration before: one that has just
    started may look in vain for a file that the commit removes.
    """
    instance, services = expected.instance, expected.services
    names, old = log_names(instance, services), expected.old
    after = [line for line in fatal_lines(expected.log.since(expected.mark), names) if not _is_stopping(line)]
    after = [line for line in after if (daemons is None or line.pid in daemons) and line.pid not in old]
    if not after:
        return []
    known = expected.faults | faults_before(expected.mark, expected.log, instance, services)
    new = {key: line for line in after if (key := (line.tag, steady(line.text))) not in known}
    return [_logged(line, expected) for line in new.values()]


def faults_before(
    mark: Mark, log: MailLog, instance: postfix.Instance, services: Sequence[Service]
) -> frozenset[Fault]:
    """Return the fatal errors that Postfix logged between the last time it read its configuration and *mark*."""
    names = log_names(instance, services)
    lines = fatal_lines(since_activation(log.before(mark), names), names)
    return frozenset((line.tag, steady(line.text)) for line in lines)


def log_names(instance: postfix.Instance, services: Sequence[Service]) -> set[str]:
    """Return the syslog_name of an instance and those of its services, of which there may be thousands."""
    own = set(chain.from_iterable(_own_names.of(services, (), _names_of)))
    return own | {instance.values["syslog_name"]}


def _names_of(service: Service) -> tuple[str, ...]:
    return tuple(one.value for one in service.overrides if one.name == "syslog_name" and one.value)


def _is_stopping(line: LogLine) -> bool:
    """Return whether a master was stopped at its start: the one before, not the one that runs now."""
    return "master_sigdeath" in line.text


def _logged(line: LogLine, expected: Expected) -> Finding:
    directory = expected.instance.directory
    running = [service for service in expected.services if service.command == line.program]
    named = [service for service in running if service.options.get("syslog_name") == line.tag.rpartition("/")[0]]
    blamed = named or running
    where = expected.place(blamed[0]) if len(blamed) == 1 else Where(str(directory / postconf.MASTER))
    text = f"{line.program} logged: {quotable(line.text, directory)}"
    return Finding(rule="fatal-in-log", where=where, text=text, subject=line.program, lasting=False)
