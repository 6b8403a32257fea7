"""What lies outside Postfix: the servers that a configuration asks, the ports it sends to, and tables it can't hold.

Pure: a rehearsal stands in for all of it. Raises nothing.

Known limit: a server that only a database names is not found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.postfix.references import holds_tables, tables_of
from reconciler.postfix.restrictions import LISTS, parsed
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Contribution, Facts

HERE = "127.0.0.1"
SMTPS, MOST = 465, 65535
_READABLE = 0o044  # others hold logins
_CLIENTS = r"(?:proxy:)?(?:ldap|memcache|mongodb|mysql|pgsql|sqlite|nis|nisplus|netinfo)"
_DATABASE = re.compile(rf"(?<![\w:]){_CLIENTS}:[^\s,{{}}]+")
_PORT = re.compile(rb"(?:\]|[a-z0-9]):(\d{1,5})(?=[\s,}]|\Z)")
_SOCKET = re.compile(rb":unix:([^\s,}]+)")
_LOCAL = re.compile(rb"(?:\[?(127\.[\d.]+|::1|localhost)\]?):(\d{1,5})(?=[\s,}]|\Z)")


def here(main: Scope) -> str:
    """The loopback address that Postfix can listen on."""
    protocols = main.words("inet_protocols")
    return HERE if {"all", "ipv4"} & set(protocols) else "::1"


def databases(merged: Contribution, facts: Facts) -> tuple[str, ...]:
    """The tables that only a server can answer, as they are written."""
    values = (one.value for scope in scopes(merged, facts) for one in scope.written)
    return tuple(sorted({match[0] for value in values for match in _DATABASE.finditer(value)}))


def without_databases(text: str) -> str:
    """A value, or the whole of main.cf, where every such table is an empty one."""
    return _DATABASE.sub("texthash:/dev/null", text)


def texts(main: Scope) -> list[bytes]:
    """Every text that may name a server: expanded values, options, and tables of routes."""
    values = [
        (scope.expanded(one.value) or "").encode("utf-8", "replace")
        for scope in scopes(main.merged, main.facts)
        for one in scope.written
    ]
    return [
        *values,
        *(one.source for one in main.merged.tables.values() if one.mode & _READABLE and b":" in one.source),
    ]


def ports(texts: Iterable[bytes]) -> set[int]:
    """The ports that mail is sent to."""
    found = {int(match) for text in texts for match in _PORT.findall(text)}
    return {port for port in found if 0 < port <= MOST}


def wrapped(main: Scope) -> set[int]:
    """The ports on which TLS comes first: 465, and the relay host's when all of smtp speaks so."""
    relay = re.search(r":(\d+)\Z", main.value("relayhost"))
    return {SMTPS} | ({int(relay[1])} if relay and main.is_on("smtp_tls_wrappermode") else set())


def partners(main: Scope, texts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Every server that is asked, once: its *kind*, and its *path*, or *address*, *port* and whether that is *near*."""
    queue = main.value("queue_directory")
    own = {
        f"{queue}/{'public' if one.private == 'n' else 'private'}/{one.name}"
        for one in main.merged.entries
        if one.type == "unix"
    }
    told: set[tuple[Any, ...]] = set()
    for kind, place in _named(main, texts):
        partner = _partner(kind, place, main)
        key = partner and (partner.get("path"), partner.get("address"), partner.get("port"))
        if partner and key not in told and partner.get("path") not in own:
            told.add(key)  # type: ignore[arg-type] # it is there when the partner is
            yield partner


def _named(main: Scope, texts: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """What is asked, and where, as the configuration writes it."""
    for scope in scopes(main.merged, main.facts):
        for name in ("smtpd_milters", "non_smtpd_milters"):
            yield from (("milter", words(one[1:-1])[0] if one.startswith("{") else one) for one in scope.words(name))
        for name in (*LISTS, *scope.words("smtpd_restriction_classes")):
            asked = (one.argument for one in parsed(scope.value(name)) if one.name == "check_policy_service")
            yield from (("policy", words(one[1:-1])[0] if one.startswith("{") else one) for one in asked if one)
        if scope.is_on("smtpd_sasl_auth_enable") and scope.value("smtpd_sasl_type") == "dovecot":
            place = scope.value("smtpd_sasl_path")
            yield "sasl", place if place.startswith(("inet:", "unix:")) else f"unix:{place}"
        if proxy := scope.value("smtpd_proxy_filter"):
            yield "mail", proxy if proxy.startswith(("inet:", "unix:")) else f"inet:{proxy}"
        for parameter in scope.written:
            for reference in tables_of(scope, parameter) if holds_tables(scope, parameter.name) else ():
                if reference.type in {"tcp", "socketmap"}:
                    place = reference.name if reference.type == "socketmap" else f"inet:{reference.name}"
                    yield reference.type, place.rpartition(":")[0] if reference.type == "socketmap" else place
    for text in texts:
        yield from (("mail", f"unix:{match.decode('utf-8', 'replace')}") for match in _SOCKET.findall(text))
        yield from (("mail", f"inet:{host.decode()}:{port.decode()}") for host, port in _LOCAL.findall(text))


def _partner(kind: str, place: str, main: Scope) -> dict[str, Any] | None:
    scheme, _, rest = place.partition(":")
    if scheme in {"unix", "local"} and rest:
        return {"kind": kind, "path": rest if rest.startswith("/") else f"{main.value('queue_directory')}/{rest}"}
    host, _, name = rest.rpartition(":")
    port = int(name) if name.isdigit() else main.facts.ports.get(name, 0)
    host = host.strip("[]") or HERE
    if scheme != "inet" or not 0 < port <= MOST:
        return None
    own = {str(one.ip) for one in main.facts.addresses}
    near = host in own or host == "localhost" or host.startswith("127.") or host == "::1"
    return {"kind": kind, "address": HERE if host == "localhost" else host, "port": port, "near": near}


def block_lists(main: Scope) -> Iterator[str]:
    """The domains of DNS block lists, which must not list anybody here."""
    for scope in scopes(main.merged, main.facts):
        for name in LISTS:
            asked = (one for one in parsed(scope.value(name)) if "bl" in one.name or "wl" in one.name)
            yield from (one.argument.partition("=")[0].lower() for one in asked if one.argument)
        for word in scope.words("postscreen_dnsbl_sites"):
            yield re.split(r"[=*]", word)[0].lower()
