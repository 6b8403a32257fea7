"""Find what a rehearsal must replace: servers that Postfix queries, ports that it sends to, and tables on servers.

Pure. Raises nothing.

Known limit: a server that only a database names is not found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import is_digits
from reconciler.postfix.numbers import as_number
from reconciler.postfix.references import holds_tables, tables_of
from reconciler.postfix.restrictions import LISTS, parsed
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.table_parts import each, holds
from reconciler.rehearsal.inside.messages import PortServer, SocketServer

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from reconciler.model import Contribution, Facts, Parameter, Service, Table
    from reconciler.rehearsal.inside.messages import StandIn

LOOPBACK = "127.0.0.1"
SMTPS, _MOST = 465, 65535
_OPTIONAL = frozenset({"", "none", "may"})
_CLIENTS = r"(?:proxy:)?(?:ldap|memcache|mongodb|mysql|pgsql|sqlite|nis|nisplus|netinfo)"
_DATABASE = re.compile(rf"(?<![\w:]){_CLIENTS}:[^\s,{{}}]+", re.ASCII)
_PORT = re.compile(rb"(?:\]|[a-z0-9]):(\d{1,5})(?=[\s,}]|\Z)")
_NUMBER = re.compile(rb":\d")  # without which a text names no port, and which is found quickly
_SOCKET = re.compile(rb":unix:([^\s,}]+)")
_LOCAL = re.compile(rb"(?:\[?((?<![\d.])127\.[\d.]+|::1|localhost)\]?):(\d{1,5})(?=[\s,}]|\Z)")


def loopback(main: Scope) -> str:
    """Return the loopback address that Postfix can listen on."""
    protocols = main.words("inet_protocols")
    return LOOPBACK if {"all", "ipv4"} & set(protocols) else "::1"


def databases(merged: Contribution, facts: Facts) -> tuple[str, ...]:
    """Return the tables that need a server, as they are written."""
    values = (parameter.value for scope in scopes(merged, facts) for parameter in scope.written)
    return tuple(sorted({match[0] for value in values for match in _DATABASE.finditer(value)}))


def without_databases(text: str) -> str:
    """Return a value, or the whole of main.cf, with each such table replaced by an empty one."""
    return _DATABASE.sub("texthash:/dev/null", text)


def texts(main: Scope) -> list[bytes]:
    """Return every text that may name a server: expanded values and options, and what names one in tables of routes."""
    values = [
        (scope.expanded(parameter.value) or "").encode("utf-8", "replace")
        for scope in scopes(main.merged, main.facts)
        for parameter in scope.written
    ]
    tables = (table for table in main.merged.tables.values() if not table.is_secret and holds(table, b":"))
    return [*values, *(text for table in tables for _, found in each(table, _naming) for text in found)]


def _naming(table: Table) -> tuple[bytes, ...]:
    """Return the parts of a table that name a port, a socket or a server on this host, each once."""
    source = table.source
    patterns = (_PORT, _SOCKET, _LOCAL) if _NUMBER.search(source) else (_SOCKET,)
    return tuple(dict.fromkeys(match[0] for pattern in patterns for match in pattern.finditer(source)))


def ports(texts: Iterable[bytes]) -> set[int]:
    """Return the ports that mail is sent to."""
    numbers = {int(match) for text in texts for match in _PORT.findall(text)}
    return {port for port in numbers if 0 < port <= _MOST}


def wrapped_ports(main: Scope) -> set[int]:
    """Return the ports with wrapper TLS: 465, and the relay host's port when smtp uses wrapper mode."""
    relay = re.search(r":(\d+)\Z", main.value("relayhost"), re.ASCII)
    return {SMTPS} | ({as_number(relay[1])} if relay and main.is_on("smtp_tls_wrappermode") else set())


def never_needs_tls(main: Scope) -> bool:
    """Return whether each delivery may be in plain text, wherever it leads: no level, table or login says otherwise."""
    return all(
        scope.value(f"{program}_tls_security_level").lower() in _OPTIONAL
        and not any(scope.value(f"{program}_{name}") for name in ("tls_policy_maps", "tls_per_site"))
        and not any(scope.is_on(f"{program}_{name}") for name in ("enforce_tls", "sasl_auth_enable"))
        for scope in scopes(main.merged, main.facts)
        for program in ("smtp", "lmtp")
    )


def stand_ins(main: Scope, services: Iterable[Service], texts: Iterable[bytes]) -> Iterator[StandIn]:
    """Yield every server that is queried, once; a socket of one of the candidate's *services* does not count."""
    servers: dict[Hashable, StandIn] = {}
    for kind, place in _asked(main, texts):
        if server := _server(kind, place, main):
            servers.setdefault(server["path"] if "path" in server else (server["address"], server["port"]), server)
    sockets = _sockets(main, services) if any("path" in server for server in servers.values()) else ()
    yield from (server for key, server in servers.items() if key not in sockets)


def _sockets(main: Scope, services: Iterable[Service]) -> set[str]:
    """Return the sockets of the candidate's services."""
    queue = main.value("queue_directory")
    return {
        f"{queue}/{'public' if service.private == 'n' else 'private'}/{service.name}"
        for service in services
        if service.type == "unix"
    }


def _asked(main: Scope, texts: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the kind and the place of each server that is queried, as the configuration writes them."""
    for scope in scopes(main.merged, main.facts):
        for name in ("smtpd_milters", "non_smtpd_milters"):
            yield from (("milter", _unbraced(place)) for place in scope.words(name))
        for name in (*LISTS, *scope.words("smtpd_restriction_classes")):
            restrictions = parsed(scope.value(name))
            places = (entry.argument for entry in restrictions if entry.name == "check_policy_service")
            yield from (("policy", _unbraced(place)) for place in places if place)
        if scope.is_on("smtpd_sasl_auth_enable") and scope.value("smtpd_sasl_type") == "dovecot":
            yield "sasl", _with_scheme(scope.value("smtpd_sasl_path"), "unix")
        if proxy := scope.value("smtpd_proxy_filter"):
            yield "mail", _with_scheme(proxy, "inet")
        for parameter in scope.written:
            yield from _tables(scope, parameter)
    for text in texts:
        yield from (("mail", f"unix:{match.decode('utf-8', 'replace')}") for match in _SOCKET.findall(text))
        yield from (("mail", f"inet:{host.decode()}:{port.decode()}") for host, port in _LOCAL.findall(text))


def _tables(scope: Scope, parameter: Parameter) -> Iterator[tuple[str, str]]:
    """Yield the tables behind a socket that a parameter names; a socketmap's name ends with the map's name."""
    for reference in tables_of(scope, parameter) if holds_tables(scope, parameter.name) else ():
        if reference.type == "tcp":
            yield "tcp", f"inet:{reference.name}"
        elif reference.type == "socketmap":
            yield "socketmap", reference.name.rpartition(":")[0]


def _unbraced(place: str) -> str:
    """Return the place without its options: ``{ inet:host:port, timeout=5s }``."""
    return words(place[1:-1])[0] if place.startswith("{") else place


def _with_scheme(place: str, usual: str) -> str:
    return place if place.startswith(("inet:", "unix:")) else f"{usual}:{place}"


def _server(kind: str, place: str, main: Scope) -> StandIn | None:
    """Return the server at a place; None if it names no server, which a rule reports already."""
    scheme, _, rest = place.partition(":")
    if scheme in {"unix", "local"} and rest:
        return SocketServer(kind=kind, path=rest if rest.startswith("/") else f"{main.value('queue_directory')}/{rest}")
    host, _, name = rest.rpartition(":")
    port = as_number(name) if is_digits(name) else main.facts.ports.get(name, 0)
    host = host.strip("[]") or LOOPBACK
    if scheme != "inet" or not 0 < port <= _MOST:
        return None
    own = main.facts.own_by_text
    near = host in own or host == "localhost" or host.startswith("127.") or host == "::1"
    return PortServer(kind=kind, address=LOOPBACK if host == "localhost" else host, port=port, near=near)


def block_lists(main: Scope) -> Iterator[str]:
    """Yield the domains of DNS lists, which are empty in a rehearsal."""
    for scope in scopes(main.merged, main.facts):
        for name in LISTS:
            listing = (entry for entry in parsed(scope.value(name)) if "bl" in entry.name or "wl" in entry.name)
            yield from (entry.argument.partition("=")[0].lower() for entry in listing if entry.argument)
        for word in scope.words("postscreen_dnsbl_sites"):
            yield re.split(r"[=*]", word)[0].lower()
