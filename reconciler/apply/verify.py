"""Verify the live Postfix after the swap: the master runs, and every service of master.cf answers and negotiates TLS.

Promises: verify() changes nothing. It talks to every inet service at once while it watches the master. It returns as
soon as the master is dead, or right after the settle time when all is well. Only an answer by a process that started
after `since` counts: for 20 to 50 ms after a reload old ones still answer. Each finding names its service; none is
lasting.
Raises OSError as the kernel gives it, CommandFailed when the journal cannot be read.

Known limits: certificates are not checked, only that the handshake succeeds; with smtpd_tls_req_ccert not even that.
For services other than smtpd, such as postscreen, only the connection is tested. A process that master starts between
the signal and its own reload counts as new.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Self

from reconciler.host import facts
from reconciler.host.programs import postfix
from reconciler.host.programs.vocabulary import quotable
from reconciler.model import Finding, Service, Where
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.log import fatal_lines, since_activation, steady
from reconciler.postfix.numbers import as_number
from reconciler.postfix.scopes import words
from reconciler.rehearsal.inside.smtp_client import SmtpClient, handshake_failure

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from ipaddress import IPv4Interface, IPv6Interface
    from pathlib import Path

    from reconciler.host.maillog import MailLog, Mark
    from reconciler.postfix.log import LogLine

PATIENCE = 5.0
CONVERSATIONS = 8
LOG_DELAY = 1.0
"""Seconds that a busy host may take until the last line of a master that ended is in the mail log."""
_POLL, _PAUSE = 0.02, 0.25
_NOWHERE = Where("mail.yaml")
# RFC 3463: x.3.x is the mail system itself, everything else is policy.
_TROUBLE = re.compile(r"4[0-9]{2}[ -]4\.3\.")
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The state that is expected after an activation.

    *since* is facts.boot_clock() right before it, and *mark* the mail log's place; *ports* maps names to TCP ports;
    *settle* is how long the master must live, *patience* how long a service may take to answer, twice.
    """

    instance: postfix.Instance
    services: tuple[Service, ...]
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    ports: Mapping[str, int]
    log: MailLog
    mark: Mark
    since: float
    settle: float
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Verified:
    """The state of *instance* after an activation.

    *died*: the master ended. *silent*: a service fails and the log gives no reason.
    """

    instance: postfix.Instance
    findings: tuple[Finding, ...] = ()
    died: bool = False
    silent: bool = False


class Target(NamedTuple):
    """A service, and an address that it must answer on."""

    service: Service
    address: str
    port: int

    def __str__(self) -> str:
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.service.key} on {shown}:{self.port}"


def verify(expected: Expected) -> Verified:
    """Verify the running Postfix; return no finding when all is well."""
    daemons: set[int] | None = set() if expected.log.forgeable else None
    with _Conversations(expected) as conversations:
        death = _death(expected, daemons)
        logged = _fatal(expected, daemons)
        problems = conversations.problems(wait=not death and not logged)
        if not death and not logged and not problems:
            logged = _fatal(expected, daemons)  # the dialogues may have caused a service to log an error
    if death or problems:  # a second witness: now every line explains
        logged = _reasons(expected, patience=LOG_DELAY if death else 0)
    findings = (*death, *logged, *(problem.finding for problem in problems))
    silent = bool(findings) and not logged and all(problem.is_silence for problem in problems)
    return Verified(expected.instance, findings, died=bool(death), silent=silent)


def _death(expected: Expected, daemons: set[int] | None) -> list[Finding]:
    """Wait until the master has lived for the settle time, or is dead; meanwhile, collect its *daemons*."""
    start = time.monotonic()
    while (now := time.monotonic() - start) < expected.settle:
        if postfix.running(expected.instance) is None:
            text = f"master died {facts.boot_clock() - expected.since:.1f} s after the activation"
            return [Finding(rule="master-died", where=_NOWHERE, text=text, subject="master", lasting=False)]
        _collect(daemons, expected)
        time.sleep(min(_POLL, expected.settle - now))
    return []


# ---- the mail log ----------------------------------------------------------------------------------------------------


def _fatal(expected: Expected, daemons: set[int] | None) -> list[Finding]:
    """Return the fatal errors that the log shows since the activation; with *daemons*, only those that they logged."""
    _collect(daemons, expected)
    return fatal_since(expected.mark, expected.log, expected.instance, expected.services, daemons)


def _reasons(expected: Expected, patience: float) -> list[Finding]:
    """Return every fatal error since the activation; wait up to *patience* seconds for the first one.

    A syslog daemon writes the master's last line a little after its end.
    """
    deadline = time.monotonic() + patience
    while True:
        logged = fatal_since(expected.mark, expected.log, expected.instance, expected.services)
        if logged or time.monotonic() >= deadline:
            return logged
        time.sleep(LOG_DELAY / 10)


def _collect(daemons: set[int] | None, expected: Expected) -> None:
    """Add Postfix's processes, unless it is None: then only Postfix can write to the log.

    A daemon sleeps for a second between its fatal error and its end, so it is found here.
    """
    if daemons is not None:
        daemons |= postfix.processes(expected.instance)


def fatal_since(
    mark: Mark, log: MailLog, instance: postfix.Instance, services: Sequence[Service],
    daemons: Collection[int] | None = None,
) -> list[Finding]:  # fmt: skip
    """Return the fatal errors logged since *mark* that the configuration before did not cause as well.

    With *daemons*, only what these processes logged.
    """
    names = {instance.values["syslog_name"], *filter(None, map(log_name, services))}
    after = [line for line in fatal_lines(log.since(mark), names) if not _is_stopping(line)]
    after = [line for line in after if daemons is None or line.pid in daemons]
    if not after:
        return []
    before = fatal_lines(since_activation(log.before(mark)), names)
    known = {(line.tag, steady(line.text)) for line in before}
    new = {key: line for line in after if (key := (line.tag, steady(line.text))) not in known}
    return [_logged(line, services, instance.directory) for line in new.values()]


def _is_stopping(line: LogLine) -> bool:
    """Return whether a master was stopped at its start: the one before, not the one that runs now."""
    return "master_sigdeath" in line.text


def _logged(line: LogLine, services: Sequence[Service], directory: Path) -> Finding:
    running = [service for service in services if service.command == line.program]
    named = [service for service in running if log_name(service) == line.tag.rpartition("/")[0]]
    blamed = named or running
    where = blamed[0].where if len(blamed) == 1 else _NOWHERE
    text = f"{line.program} logged: {quotable(line.text, directory)}"
    return Finding(rule="fatal-in-log", where=where, text=text, subject=line.program, lasting=False)


def log_name(service: Service) -> str | None:
    """Return the service's own syslog_name, if it has one."""
    return next((option.value for option in service.overrides if option.name == "syslog_name"), None)


# ---- where the services are ------------------------------------------------------------------------------------------


def targets(expected: Expected) -> list[Target]:
    """Return every address that an inet service must answer on; for all interfaces, the loopback addresses suffice."""
    disabled = words(expected.instance.values.get("master_service_disable", ""))
    addresses = []
    for service in expected.services:
        if service.type != "inet" or {"inet", f"{service.name}.inet", service.key} & set(disabled):
            continue
        host, _, name = service.name.rpartition(":")
        port = as_number(name) if is_digits(name) else expected.ports.get(name, 0)
        hosts = [host.strip("[]")] if host else _interfaces(expected)
        addresses += [Target(service, address, port) for one in hosts for address in _resolved(one, port, expected)]
    return list(dict.fromkeys(addresses))


def _interfaces(expected: Expected) -> list[str]:
    """Return the inet_interfaces of main.cf, as names and addresses."""
    named = [word.strip("[]") for word in words(expected.instance.values["inet_interfaces"])]
    if not {"all", "loopback-only"} & set(named):
        return named
    loopback = [str(one.ip) for one in expected.addresses if one.is_loopback]
    others = [str(one.ip) for one in expected.addresses if not one.is_link_local]
    return loopback or others[:1]


def _resolved(host: str, port: int, expected: Expected) -> list[str]:
    """Return the addresses of a host, given as address or name, that inet_protocols allows; empty if it has none."""
    protocols = expected.instance.values["inet_protocols"]
    families = {family for name, family in _FAMILIES.items() if name in protocols or "all" in protocols}
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    here = {str(one.ip) for one in expected.addresses}
    addresses = [str(address[0]) for family, *_, address in answers if family in families]
    # A name such as localhost may lead to an IPv6 address where the kernel has IPv6 turned off.
    return [address for address in dict.fromkeys(addresses) if address in here or "." in address]


# ---- talking to them -------------------------------------------------------------------------------------------------


class _Wrong(Exception):  # noqa: N818 - what a service said, not an error of ours
    """A new process gave an answer that a healthy one would not give."""


class _NotYet(Exception):  # noqa: N818
    """The answer may come from a healthy service right after a reload; try again."""


def _converse(client: SmtpClient, service: Service, expected: Expected) -> None:
    """Hold the dialogue, from the banner to TLS."""

    def value(name: str) -> str:
        written = (option.value for option in service.overrides if option.name == name)
        return next(written, expected.instance.values.get(name, ""))

    if value("smtpd_upstream_proxy_protocol") == "haproxy":
        client.announce_proxy()
    if value("smtpd_tls_wrappermode") == "yes":
        _shake_hands(client)
    banner = client.reply()
    _must_be_newer(client, expected.since)
    _must_be_well(banner)
    if not banner.startswith("220"):
        return  # the service refuses this client, which is its own decision
    greeting = client.ask("EHLO localhost")
    if "STARTTLS" in greeting:
        accepted = client.ask("STARTTLS")
        if not accepted.startswith("220"):
            raise _Wrong(f'it offers STARTTLS, then answers "{accepted}"')
        if value("smtpd_tls_req_ccert") == "yes":
            return
        _shake_hands(client)
        greeting = client.ask("EHLO localhost")
    _must_be_well(greeting)
    client.ask("QUIT")


def _must_be_well(reply: str) -> None:
    if _TROUBLE.match(reply):
        raise _Wrong(f'it answers "{reply}"')


def _must_be_newer(client: SmtpClient, since: float) -> None:
    """Reject the answer of a process that has not read the new configuration."""
    pid = facts.owner_of_connection(client.socket.getsockname()[:2], client.socket.getpeername()[:2])
    started = facts.process_started(pid) if pid else None
    if started is not None and started + facts.TICK <= since:
        raise _NotYet("only a process from before the activation answers")


def _shake_hands(client: SmtpClient) -> None:
    # Only TLS itself counts: a connection that breaks meanwhile may be an old process that ends.
    try:
        client.start_tls()
    except ssl.SSLError as error:
        raise _Wrong(handshake_failure(error)) from error


class _Problem(NamedTuple):
    """The fault of a service; *is_silence*: it does not answer, so only the log can show the reason."""

    finding: Finding
    is_silence: bool


class _Conversations:
    """Run all dialogues at the same time; leaving the context ends those that still wait for an answer."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._stop = Event()
        self._open: set[SmtpClient] = set()
        self._threads = ThreadPoolExecutor(CONVERSATIONS, thread_name_prefix="verify")
        self._futures = [self._threads.submit(self._visit, target) for target in targets(expected)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for client in self._open.copy():
            client.interrupt()
        self._threads.shutdown(cancel_futures=True)

    def problems(self, *, wait: bool) -> list[_Problem]:
        """Return the results of the dialogues: of all, or of those that are over."""
        return [found for one in self._futures if (wait or one.done()) and (found := one.result())]

    def _visit(self, target: Target) -> _Problem | None:
        """Try until a new process answers well or the patience ends; a bad answer of a new process is final.

        A service that stays silent is given its time once more, because on a busy machine the commit is not to blame.
        """
        patience, again = self._expected.patience, False
        deadline, pause = time.monotonic() + patience, _POLL
        while not self._stop.is_set():
            try:
                self._talk(target, max(_POLL, deadline - time.monotonic()))
            except _Wrong as reason:
                return _Problem(_finding("service-fails", target, str(reason)), is_silence=False)
            except (_NotYet, OSError) as reason:
                problem = str(reason).lower()
            else:
                return None
            if time.monotonic() > deadline:
                if again:
                    text = f"no answer in {2 * patience:g} s: {problem}"
                    return _Problem(_finding("service-silent", target, text), is_silence=True)
                again, deadline = True, time.monotonic() + patience
            self._stop.wait(pause)
            # Each try adds a line to the mail log and counts against an smtpd's max_use.
            pause = min(pause * 1.5, _PAUSE)
        return None

    def _talk(self, target: Target, patience: float) -> None:
        with closing(SmtpClient(socket.create_connection((target.address, target.port), patience))) as client:
            if target.service.command == "smtpd":
                self._open.add(client)
                _converse(client, target.service, self._expected)


def _finding(rule: str, target: Target, text: str) -> Finding:
    where, subject = target.service.where, target.service.key
    return Finding(rule=rule, where=where, text=f"{target}: {text}", subject=subject, lasting=False)
