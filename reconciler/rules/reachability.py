"""Servers that Postfix asks or hands mail to must answer now.

Every finding is of the moment, and depends on ``facts.answers``; for sockets, also on what Postfix's own user may do.
The rules skip servers of this configuration itself, because they may not run yet. For a remote smart host they only
warn, because mail waits in the queue. Raises nothing.

Known limits: the rules skip next hops in tables and next hops that need an MX lookup. The server that answers need not
be the intended one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Access, AccessKind, Mentioned, Server, Severity
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.postfix.nexthops import port_names
from reconciler.postfix.numbers import as_number
from reconciler.postfix.references import tables_of
from reconciler.postfix.restrictions import LISTS, parsed, smtpd_scopes
from reconciler.postfix.routes import values_in
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_MAX_PORT = 65535
_MILTERS = frozenset({"smtpd_milters", "non_smtpd_milters"})
# Parameters that hand mail over, and the domains without which they hand over none.
_ROUTES = {
    "content_filter": "", "default_transport": "", "fallback_transport": "mydestination",
    "local_transport": "mydestination", "mailbox_transport": "mydestination", "relay_transport": "relay_domains",
    "virtual_transport": "virtual_mailbox_domains",
}  # fmt: skip
_PLACE = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[\w-]+))?", re.ASCII)
_OPEN = re.compile(r"(?:dunno|ok|permit|info|warn|prepend)\b", re.IGNORECASE | re.ASCII)
_LOCAL = re.compile(r"localhost|127\..*|::1|(?:IPv6:)?::1|0\.0\.0\.0|", re.IGNORECASE | re.ASCII)


class Question(NamedTuple):
    """A server as the setting writes it, the address to connect to, and what happens to mail if it does not answer.

    *opens*: Postfix continues without it, and lets pass what it should stop. *waits*: mail stays in the queue.
    *starts* are the services that connect to it when they start, and only then.
    """

    written: str
    server: Server
    then: str
    opens: bool = False
    waits: bool = False
    starts: frozenset[str] = frozenset()


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each server that Postfix depends on answers."""
    for scope, parameter, question in _everything(merged, facts):
        trouble = facts.answers.get(question.server) or _denied(question.server, merged, facts)
        if trouble and not (question.waits and trouble.startswith("no answer")):
            yield _silent(scope, parameter, question, trouble)
        elif question.opens and parameter.name in _MILTERS | {"smtpd_milter_maps"} and trouble is not None:
            what = f'{parameter.name}: "{question.written}" answers, but if it stops, {question.then}'
            yield scope.warning("fails-open", parameter, what, question.written)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the servers that must answer."""
    servers = frozenset(question.server for _, _, question in _everything(merged, facts))
    return Mentioned(
        servers=servers, accesses=frozenset(_writing(server, merged, facts) for server in servers if server.path)
    )


def _writing(server: Server, merged: Contribution, facts: Facts) -> Access:
    return Access(server.path, Scope(merged, facts).value("mail_owner"), AccessKind.WRITE)


def _denied(server: Server, merged: Contribution, facts: Facts) -> str | None:
    """Return why Postfix's own user may not connect to a socket; as facts.answers if it may, or if it is unknown."""
    access = _writing(server, merged, facts)
    reason = facts.accesses.get(access) if server.path else ""
    return f"{reason} for the user {access.user}" if reason else facts.answers.get(server)


def _silent(scope: Scope, parameter: Parameter, question: Question, trouble: str) -> Finding:
    slow = trouble.startswith("no answer")
    certain = not (question.opens or question.waits or slow)
    what = f'{parameter.name}: no server answers at "{question.written}" ({trouble}): {question.then}'
    severity = Severity.ERROR if certain else Severity.WARNING
    found = scope.finding("silent-server", parameter, what, question.written, severity=severity, lasting=False)
    return replace(found, starts=question.starts)


def _everything(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Question]]:
    main = Scope(merged, facts)
    reader = _Reader(main)
    taking_logins = _taking_logins(main)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for asked in dict.fromkeys(reader.questions(scope, parameter)):
                if not reader.is_ours(asked.server):
                    yield scope, parameter, asked
        if scope.service and scope.service.command == "smtpd" and (named := _login_server(scope)):
            parameter, text = named
            # The service reads the setting (its chroot counts), and the finding goes where the setting is written.
            place = scope.place_of(parameter)
            for server in reader.servers(scope, text):
                if not reader.is_ours(server):
                    then = "smtpd would exit, and no client could send mail through it"
                    yield place, parameter, Question(text, server, then, starts=taking_logins[parameter])


def _login_server(scope: Scope) -> tuple[Parameter, str] | None:
    """Return the setting of the password server of smtpd, if it has one (Dovecot), and the server's address."""
    if not scope.is_on("smtpd_sasl_auth_enable") or scope.value("smtpd_sasl_type") != "dovecot":
        return None
    parameter = scope.parameter("smtpd_sasl_path") or scope.parameter("smtpd_sasl_auth_enable")
    text = scope.value("smtpd_sasl_path").strip(SPACE)
    return (parameter, text if re.match(r"(?:inet|unix):", text) else f"unix:{text}") if parameter else None


def _taking_logins(main: Scope) -> dict[Parameter, frozenset[str]]:
    """Return the services that have their password server from each setting."""
    services: dict[Parameter, list[str]] = {}
    for scope in smtpd_scopes(main.merged, main.facts):
        if scope.service and (found := _login_server(scope)):
            services.setdefault(found[0], []).append(scope.service.key)
    return {parameter: frozenset(keys) for parameter, keys in services.items()}


class _Reader:
    """Reads the addresses of servers as the programs of this host would."""

    def __init__(self, main: Scope) -> None:
        self._main = main
        self._ports = port_names(main)
        self._name = main.value("myhostname").lower()
        self._queue = main.value("queue_directory")
        own = [service.name.rpartition(":") for service in main.merged.of_type("inet")]
        self._listening: dict[int, set[str]] = {}
        for host, _, port in own:
            self._listening.setdefault(self._port(port), set()).add(host.strip("[]"))
        self._here = set(main.facts.own_by_text)

    def _port(self, text: str) -> int:
        return as_number(text) if is_digits(text) else self._ports.get(text, 0)

    def is_ours(self, server: Server) -> bool:
        """Return whether a service of this configuration or a companion listens there."""
        if any(server in companion.servers for companion in self._main.merged.companions.values()):
            return True
        if server.path:
            folder, _, name = server.path.removeprefix(f"{self._queue}/").rpartition("/")
            return folder in {"private", "public"} and name in self._main.merged.index.socket_names
        local = self._is_local(server.host)
        hosts = self._listening.get(server.port, set())
        return server.host in hosts or (local and any(host == "" or self._is_local(host) for host in hosts))

    def _is_local(self, host: str) -> bool:
        return bool(_LOCAL.fullmatch(host)) or host in self._here or host.lower() == self._name

    def servers(self, scope: Scope, text: str) -> Iterator[Server]:
        """Yield the server of ``inet:HOST:PORT`` or ``unix:PATH``; nothing if it can't be read."""
        kind, _, rest = text.partition(":")
        if kind in {"unix", "local"} and rest:
            yield Server(path=self._socket(scope, rest))
        elif kind == "inet":
            yield from self._inet(rest if ":" in rest else f":{rest}")

    def _socket(self, scope: Scope, path: str) -> str:
        if not path.startswith("/"):
            return f"{self._queue}/{path}"
        return self._queue + path if scope.service and scope.service.chroot == "y" else path

    def _inet(self, text: str, default: str = "") -> Iterator[Server]:
        match = _PLACE.fullmatch(text.strip(SPACE))
        port = self._port(match["port"] or default) if match else 0
        if match and 0 < port <= _MAX_PORT:
            host = match["bracketed"] or match["host"] or "localhost"
            yield Server(host=re.sub(r"^ipv6:", "", host, flags=re.IGNORECASE | re.ASCII), port=port)

    def questions(self, scope: Scope, parameter: Parameter) -> Iterator[Question]:
        """Yield the servers that a setting names, as each program sees them that reads the setting in its jail."""
        for reader in self._readers(scope, parameter.name):
            yield from self._questions(reader, parameter)
        yield from self._tables(scope, parameter)

    def _readers(self, scope: Scope, name: str) -> list[Scope]:
        """Return the scopes in which a setting of main.cf is read: at most one with a jail, and one without."""
        if scope.service:
            return [scope]
        program = "cleanup" if name == "non_smtpd_milters" else "smtpd"
        inside = [Scope(scope.merged, scope.facts, service) for service in scope.merged.running(program)]
        by_jail = {
            reader.service.chroot == "y": reader
            for reader in reversed(inside)
            if reader.service and reader.parameter(name) is scope.parameter(name)
        }
        return list(by_jail.values()) or [scope]

    def _questions(self, scope: Scope, parameter: Parameter) -> Iterator[Question]:
        name, text = parameter.name, scope.expanded(parameter.value) or ""
        if name in _MILTERS:
            yield from self._milters(scope, text)
        elif name == "smtpd_milter_maps":
            for value in values_in(text):
                yield from self._milters(scope, value)
        elif name in LISTS or name in scope.words("smtpd_restriction_classes"):
            yield from self._policies(scope, text)
        elif name == "smtpd_proxy_filter":
            yield from self._proxy(scope, text.strip(SPACE))
        elif name in _ROUTES and (not _ROUTES[name] or self._main.words(_ROUTES[name])):
            yield from self._route(text.strip(SPACE))
        elif name == "relayhost":
            yield from self._smart_host(text)

    def _tables(self, scope: Scope, parameter: Parameter) -> Iterator[Question]:
        """Yield the servers of tcp_table(5) and socketmap_table(5)."""
        for reference in tables_of(scope, parameter):
            if reference.type in {"tcp", "socketmap"}:
                map_name = reference.type == "socketmap"
                place = reference.name.rpartition(":")[0] if map_name else f"inet:{reference.name}"
                for server in self.servers(scope, place):
                    yield Question(str(reference), server, "lookups would fail, and mail would be deferred")

    def _milters(self, scope: Scope, text: str) -> Iterator[Question]:
        for word in words(text):
            inner = words(word[1:-1]) if word.startswith("{") else [word]
            options = dict(option.partition("=")[::2] for option in inner[1:])
            action = options.get("default_action", scope.value("milter_default_action")).strip(SPACE).lower()
            then = _MILTER_ACTIONS.get(action, "mail would be refused")
            for server in self.servers(scope, inner[0]) if inner else ():
                yield Question(inner[0], server, f"{then} (milter_default_action is {action})", action == "accept")

    def _policies(self, scope: Scope, text: str) -> Iterator[Question]:
        for restriction in parsed(text):
            if restriction.name != "check_policy_service" or not restriction.argument:
                continue
            word = restriction.argument
            inner = words(word[1:-1]) if word.startswith("{") else [word]
            given = re.search(r"default_action\s*=\s*(?:\{\s*)?([^,}]+)", word, re.ASCII)
            action = (given[1] if given else scope.value("smtpd_policy_service_default_action")).strip(SPACE)
            opens = bool(_OPEN.match(action))
            then = "every client would pass unchecked" if opens else "mail would be refused"
            for server in self.servers(scope, inner[0]) if inner else ():
                yield Question(inner[0], server, f'{then} (its default action is "{action}")', opens)

    def _proxy(self, scope: Scope, text: str) -> Iterator[Question]:
        place = text if re.match(r"(?:inet|unix):", text) else f"inet:{text}"
        for server in self.servers(scope, place) if text else ():
            yield Question(text, server, "smtpd would answer 451 to all mail")

    def _route(self, text: str) -> Iterator[Question]:
        """Yield a filter or mail store on this host; a remote one is a next hop like any other."""
        transport, _, hop = text.partition(":")
        service = self._main.merged.services.get(f"{transport}/unix")
        if not service or service.command not in {"smtp", "lmtp"}:
            return
        lmtp, then = service.command == "lmtp", "mail would be accepted, and wait in the queue"
        if lmtp and hop.startswith("unix:"):
            servers = list(self.servers(Scope(self._main.merged, self._main.facts, service), hop))
        else:
            elsewhere = self._inet(hop.removeprefix("inet:"), "24" if lmtp else "smtp") if hop else ()
            servers = [server for server in elsewhere if self._is_local(server.host)]
        yield from (Question(hop, server, then) for server in servers)

    def _smart_host(self, text: str) -> Iterator[Question]:
        """Yield the next hops in brackets; others need an MX lookup."""
        then = "all outbound mail waits in the queue until it answers"
        for hop in words(text):
            for server in self._inet(hop, "smtp") if hop.startswith("[") else ():
                yield Question(hop, server, then, waits=True)


_MILTER_ACTIONS = {
    "accept": "all mail would pass unfiltered: it fails open",
    "reject": "all mail would be refused permanently",
    "tempfail": "all mail would be refused with 451",
    "shutdown": "every client would be disconnected with 421",
    "quarantine": "all mail would be put on hold",
}
EXPLAINED = {
    "silent-server": (
        "Postfix depends on a server that does not answer now: a Milter, a policy server, a password server, a filter "
        "or a mail store; or Postfix's own user may not connect to its socket. The finding says what would happen to "
        "mail. Start the server, correct its address, or let the user postfix write to the socket. "
        "reconciler checks this again at every pass. For a remote smart host, the finding is only a warning."
    ),
    "fails-open": (
        "A filter is set up so that mail passes unfiltered when the filter does not answer. Such a failure stays "
        "unnoticed until spam arrives. Set milter_default_action to tempfail, or write an allowance with the reason "
        "why delivery is more important."
    ),
}
PASSING = frozenset(EXPLAINED)
