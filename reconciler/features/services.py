"""``services`` and ``master.d/``: master.cf, based on upstream's services with chroot n, or on nothing (stock.py).

The rules check each service: its program, the rights and the number of processes that the program requires, and the
services that mail needs. rules/listeners.py checks addresses and ports, rules/pipes.py commands and users.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from reconciler.features import parameters, stock
from reconciler.features.section import Section, SectionValue
from reconciler.model import UNWRITTEN, Contribution, Finding, Mentioned, Parameter, Service, Severity, did_you_mean
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.reached import idle
from reconciler.postfix.references import programs_of
from reconciler.postfix.restrictions import LISTS, parsed
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.syntax import SERVICE_TYPES, is_balanced, read_master, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Where

SECTION = "services"
_TAG = "postfix/"
# Upstream's conf/master.cf up to postlog, with chroot off and without comments and examples.
STOCK = """\
smtp       inet        n  -  n  -      -    smtpd
pickup     unix        n  -  n  60     1    pickup
cleanup    unix        n  -  n  -      0    cleanup
qmgr       unix        n  -  n  300    1    qmgr
tlsmgr     unix        -  -  n  1000?  1    tlsmgr
rewrite    unix        -  -  n  -      -    trivial-rewrite
bounce     unix        -  -  n  -      0    bounce
defer      unix        -  -  n  -      0    bounce
trace      unix        -  -  n  -      0    bounce
verify     unix        -  -  n  -      1    verify
flush      unix        n  -  n  1000?  0    flush
proxymap   unix        -  -  n  -      -    proxymap
proxywrite unix        -  -  n  -      1    proxymap
smtp       unix        -  -  n  -      -    smtp
relay      unix        -  -  n  -      -    smtp  -o syslog_name=postfix/relay
showq      unix        n  -  n  -      -    showq
error      unix        -  -  n  -      -    error
retry      unix        -  -  n  -      -    error
discard    unix        -  -  n  -      -    discard
local      unix        -  n  n  -      -    local
virtual    unix        -  n  n  -      -    virtual
lmtp       unix        -  -  n  -      -    lmtp
anvil      unix        -  -  n  -      1    anvil
scache     unix        -  -  n  -      1    scache
postlog    unix-dgram  n  -  n  -      1    postlogd
"""
# Requirements that the programs check when they start (CA_MAIL_SERVER_* in Postfix 3.7's sources).
_PRIVILEGED = frozenset({"local", "pipe", "spawn", "virtual"})
_SINGLE = frozenset({"anvil", "oqmgr", "pickup", "postlogd", "postscreen", "qmgr", "scache", "tlsmgr", "verify"})
_UNLIMITED = frozenset({"bounce", "cleanup", "dnsblog", "flush", "tlsproxy"})
# All clients look for the first set in public/, and the queue manager looks for the second set in private/.
_PUBLIC = frozenset({"cleanup", "pickup", "qmgr"})
_AGENTS = frozenset({"discard", "error", "lmtp", "local", "pipe", "smtp", "virtual"})
_ESSENTIAL = {
    "bounce": "undeliverable mail would stay deferred",
    "cleanup": "no mail could come in",
    "defer": "no delivery could be deferred",
    "pickup": "mail that is sent on this host would never leave",
    "qmgr": "no mail would be delivered",
    "rewrite": "no address could be resolved, and all mail would wait",
}
_USEFUL = {
    "anvil": "client rates would not be limited",
    "discard": "discard: would not be a transport",
    "error": "mail could not be refused by error:",
    "flush": "ETRN and sendmail -qR would fail",
    "retry": "mail could not be deferred by retry:",
    "scache": "connections would not be shared",
    "showq": "mailq would fail",
    "trace": "sendmail -v and success notices would fail",
}
_YES_NO = {"yes": "y", "no": "n"}
Words = Literal["yes", "no", "y", "n", "-"]
Flag = Annotated[
    str,
    BeforeValidator(
        lambda value: _YES_NO.get(value, value) if isinstance(value, str) else value, json_schema_input_type=Words
    ),
    StringConstraints(pattern=r"^[yn-]$"),
]
Option = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
ServiceKey = Annotated[str, StringConstraints(pattern=rf"^[^\s/]\S*/(?:{'|'.join(SERVICE_TYPES)})$")]


def _writable(value: str) -> str:
    reason = unwritable(value)
    if not reason and not is_balanced(value):
        reason = "contains braces that do not match, which master.cf can't express"
    if reason:
        raise PydanticCustomError("unwritable-value", "{reason}", {"reason": reason})
    return value.strip(SPACE)


class ServiceChange(Section):
    """Changes to the stock service of that name; a new service needs *command*.

    The fields are those of master(5). *options* are its ``-o`` settings by name, *arguments* the words after them.
    """

    private: Flag | None = None
    unpriv: Flag | None = None
    chroot: Flag | None = None
    wakeup: Annotated[str, StringConstraints(pattern=r"^(?:-|\d+\??)$")] | None = None
    maxproc: Annotated[str, StringConstraints(pattern=r"^(?:-|\d+)$")] | None = None
    command: Annotated[str, StringConstraints(pattern=r"^\S+$")] | None = None
    options: dict[Option, Annotated[str, AfterValidator(_writable)]] = Field(default_factory=dict)
    arguments: tuple[Annotated[str, StringConstraints(pattern=r"^\S+$")], ...] = ()


class Schema(SectionValue[dict[ServiceKey, ServiceChange | None]]):
    """Changes by ``NAME/TYPE``; null removes the service."""


@dataclass(frozen=True, slots=True)
class MasterFile:
    """The text of the only file in master.d, which may be the whole of master.cf."""

    text: bytes


def services(section: object) -> frozenset[str]:  # noqa: ARG001 - a Feature
    """Return the services of the stock."""
    return frozenset(service.key for service in _upstream())


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute the stock, then master.d, then the changes that ``services`` asks for."""
    is_left_out = stock.is_left_out(desired)
    whole = desired.section(MasterFile) if is_left_out else None
    services: dict[str, Service | None] = {} if is_left_out else {service.key: service for service in _upstream()}
    services |= below.services
    if name := parameters.written(desired, "multi_instance_name"):
        services = {key: service and _of_instance(service, name) for key, service in services.items()}
    services |= {service.key: service for service in desired.services}
    section = desired.section(Schema)
    for key, change in (section.root if section else {}).items():
        services[key] = _changed(key, services.get(key), change, desired) if change else None
    return Contribution(services=services, master=whole.text if whole else b"")


@cache
def _upstream() -> tuple[Service, ...]:
    """Return the services of the stock, which is a constant."""
    return tuple(map(_unwritten, read_master(STOCK, UNWRITTEN.file)[0]))


def _unwritten(service: Service) -> Service:
    """Return a service of the stock, whose lines are no places in the desired state."""
    options = tuple(replace(option, where=UNWRITTEN) for option in service.overrides)
    return replace(service, where=UNWRITTEN, overrides=options)


def _of_instance(service: Service, name: str) -> Service:
    """Return a service of the stock or of a feature with the instance's log name, so that its lines are its own."""
    own = (
        replace(option, value=f"{name}/{option.value.removeprefix(_TAG)}")
        if option.name == "syslog_name" and option.value.startswith(_TAG)
        else option
        for option in service.overrides
    )
    return replace(service, overrides=tuple(own))


def _changed(key: str, old: Service | None, change: ServiceChange, desired: Desired) -> Service:
    name, _, kind = key.rpartition("/")
    where = desired.where(SECTION, key)
    private = "n" if kind == "inet" else "-"
    service = old or Service(name=name, type=kind, private=private, command="", where=where)
    given = {
        "private": change.private, "unprivileged": change.unpriv, "chroot": change.chroot,
        "wakeup": change.wakeup, "maxproc": change.maxproc, "command": change.command,
        "arguments": change.arguments or None,
    }  # fmt: skip
    options = {override.name: override for override in service.overrides} | {
        option: Parameter(option, value, desired.where(SECTION, key, "options", option), name)
        for option, value in change.options.items()
    }
    fields = {field: value for field, value in given.items() if value is not None}
    return replace(service, where=where, overrides=tuple(options.values()), **fields)  # type: ignore[arg-type]


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that every service can start, and that the services that mail needs exist."""
    unused = idle((service for service in merged.distinct if programs_of(service)), merged, facts)
    for service in merged.distinct:
        yield from _program(service, facts)
        yield from _limits(service)
        for path in programs_of(service) if service.key not in unused else ():  # else it never starts
            if facts.files.get(path) is False:
                yield service.finding("missing-program", f'there is no program "{path}"', lasting=False)
    yield from _postscreen(merged, facts)
    yield from _tlsproxy(merged, facts)
    section = desired.section(Schema)
    for key, change in (section.root if section else {}).items():
        if change is None and key not in merged.services:
            yield from _removed(key, desired.where(SECTION, key), Scope(merged, facts))


def _program(service: Service, facts: Facts) -> Iterator[Finding]:
    if service.command.startswith("/"):
        what = (
            f'the master looks for "{service.command}" below daemon_directory: clients would connect and get no answer'
        )
        yield service.finding("unknown-program", f"{what}; did you mean {service.command.rpartition('/')[2]}?")
    elif not {"", ".", ".."}.isdisjoint(service.command.split("/")):
        base = service.command.rpartition("/")[2]
        what = f'"{service.command}" is not the plain name of a program in daemon_directory, and the master would run'
        yield service.finding("unknown-program", f"{what} as root what it leads to; did you mean {base}?")
    elif "/" not in service.command and service.command not in facts.programs:
        hint = did_you_mean(service.command, facts.programs)
        what = f'unknown program "{service.command}": clients would connect and get no answer{hint}'
        yield replace(service.finding("unknown-program", what), starts=frozenset({service.key}))


def _limits(service: Service) -> Iterator[Finding]:
    command, most = service.command, service.maxproc
    if command in _PRIVILEGED and service.unprivileged != "n":
        what = f'{command} needs root\'s rights: unprivileged must be n, got "{service.unprivileged}"; it would exit'
        yield service.finding("unprivileged-service", what)
    if command in _SINGLE and most != "1":
        what = f'{command} must be one process: maxproc must be 1, got "{most}"; it would exit'
        yield service.finding("process-limit", what)
    if command in _UNLIMITED and most != "0":
        what = f'{command} must not be limited: maxproc must be 0, got "{most}"; it would exit'
        yield service.finding("process-limit", what)
    if command in _PRIVILEGED and service.chroot == "y":
        what = f"{command} delivers outside of the spool: chroot must be n, got y; its mail would wait"
        yield service.finding("jailed-service", what)
    if service.type == "unix" and command in _PUBLIC and service.private != "n":
        what = f"every client looks for {command} in public/: private must be n, got {service.private}; mail would wait"
        yield service.finding("unreachable-service", what)
    if service.type == "unix" and command in _AGENTS and service.private == "n":
        what = f"the queue manager looks for {command} in private/: private must be y, got n; its mail would wait"
        yield service.finding("unreachable-service", what)


def _postscreen(merged: Contribution, facts: Facts) -> Iterator[Finding]:
    """Check the services that postscreen(8) needs; it hands clients on to a service of type pass."""
    screens = merged.running("postscreen")
    target = Scope(merged, facts).value("smtpd_service_name") or "smtpd"
    if screens and not any(merged.services.get(f"{target}/{kind}") for kind in ("pass", "unix")):
        what = f'postscreen hands clients to the service "{target}" of type pass, which does not exist'
        yield screens[0].finding("missing-service", what)
    if screens and Scope(merged, facts).words("postscreen_dnsbl_sites") and "dnsblog/unix" not in merged.services:
        what = 'postscreen_dnsbl_sites needs the service "dnsblog" of type unix, which does not exist'
        yield screens[0].finding("missing-service", what)


def _tlsproxy(merged: Contribution, facts: Facts) -> Iterator[Finding]:
    """Check that tlsproxy(8) exists if smtp(8) reuses TLS connections; the stock lacks it."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            reuses = parameter.name == "smtp_tls_connection_reuse" and scope.is_on(parameter.name)
            if reuses and "tlsproxy/unix" not in merged.services:
                what = 'smtp_tls_connection_reuse needs the service "tlsproxy" of type unix, which does not exist'
                yield scope.finding("missing-service", parameter, what)


# ---- removed services ------------------------------------------------------------------------------------------------


def _removed(key: str, where: Where, scope: Scope) -> Iterator[Finding]:
    name, _, kind = key.rpartition("/")
    if kind not in {"unix", "fifo"} or name in scope.merged.index.socket_names:
        return
    if then := _ESSENTIAL.get(name) or _needed(name, scope):
        what, severity = f'removed service "{name}" is needed: {then}', Severity.ERROR
    elif then := _USEFUL.get(name):
        what, severity = f'removed service "{name}": {then}', Severity.WARNING
    else:
        return
    yield Finding(rule="missing-service", where=where, text=what, subject=key, severity=severity)


def _needed(name: str, scope: Scope) -> str | None:
    """Return what would break without a service that only some configurations need, or None."""
    for parameter, user in _DEFAULT_ROUTES.items():
        if transport_of(scope.value(parameter)) == name and (not user or scope.words(user)):
            return f"it is {parameter}"
    if name == "tlsmgr" and any(map(_uses_tls, scopes(scope.merged, scope.facts))):
        return "TLS is on, and no TLS session could start"
    if name == "verify" and any(map(_verifies, scopes(scope.merged, scope.facts))):
        return "reject_unverified_sender and reject_unverified_recipient use it"
    if name == "proxymap" and any("proxy:" in scope.value(parameter) for parameter in _proxied(scope)):
        return "Postfix opens tables through proxy:"
    return None


_DEFAULT_ROUTES = {
    "default_transport": "", "local_transport": "mydestination", "relay_transport": "relay_domains",
    "virtual_transport": "virtual_mailbox_domains",
}  # fmt: skip


def _proxied(scope: Scope) -> list[str]:
    return ["local_recipient_maps", *(parameter.name for parameter in scope.written)]


def _uses_tls(scope: Scope) -> bool:
    levels = ("smtp_tls_security_level", "smtpd_tls_security_level")
    return any(scope.value(level).lower() not in {"", "none"} for level in levels)


def _verifies(scope: Scope) -> bool:
    asking = {"reject_unverified_sender", "reject_unverified_recipient"}
    return any(restriction.name in asking for name in LISTS for restriction in parsed(scope.value(name)))


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:  # noqa: ARG001 - a Feature
    """Return the paths of the programs that pipe(8) and spawn(8) run."""
    return Mentioned(paths=frozenset(path for service in merged.distinct for path in programs_of(service)))


PASSING = frozenset({"missing-program"})
EXPLAINED = {
    "unknown-program": (
        "A service runs a program that this Postfix does not have. Clients would connect and never get an answer. "
        "Correct the name, which is that of a file in daemon_directory, without dots. To run programs of other "
        "packages, use spawn or pipe."
    ),
    "missing-program": (
        "A service runs a program that does not exist on this host. Its deliveries would wait. Install the program, "
        "or correct its path."
    ),
    "unprivileged-service": (
        "A service is marked unprivileged, but its program needs the rights of root. The program would exit each time "
        "it starts. Set the unpriv field of the service to n."
    ),
    "jailed-service": (
        "A program that delivers to mailboxes or runs commands is set to run in a chroot jail, which contains neither "
        "users nor mailboxes. Its mail would wait. Set the chroot field of the service to n."
    ),
    "unreachable-service": (
        "The socket of a service is created in a place where no program looks for it. Mail would wait, or could not "
        "come in at all. Set the private field of the service as the finding says."
    ),
    "process-limit": (
        "The program of a service requires a certain number of processes, but maxproc is another number. The program "
        "would exit each time it starts. Use 1 for queue managers, caches and postscreen, and 0 (no limit) for "
        "bounce, cleanup and flush."
    ),
    "missing-service": (
        "A service that other programs need does not exist. Mail would wait, or a function would silently stop "
        'working. Restore the service by removing the null under "services:", or add it as the finding says.'
    ),
}
