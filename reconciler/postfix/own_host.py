"""The host itself as a next hop: where its own services listen, and which of them would send mail there again.

A next hop is this host when it is one of its addresses or names, and an smtpd of this configuration listens there; what
comes in by that service takes the same road again. Raises nothing.

Known limits: names are known only as myhostname and localhost; next hops without brackets lead to MX hosts, which
nobody asks here. A listener that changes the road (proxy filter, another cleanup, a content filter) is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.postfix.nexthops import port_names
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Facts

COMES_BACK = "mail would come back until it bounces"
_HOP = re.compile(r"(?:\[(?P<inside>[^\]]+)\]|(?P<bare>localhost))(?::(?P<port>[\w-]+))?", re.IGNORECASE)
_LISTENER = re.compile(r"(?:\[?(?P<host>[^\]]*?)\]?:)?(?P<port>[\w-]+)")
_SMTP = 25
# What makes a listener a different road: mail that comes in there need not go out as before.
_OTHER_ROADS = ("smtpd_proxy_filter", "cleanup_service_name")


@dataclass(frozen=True, slots=True)
class _Listener:
    """An smtpd by which mail takes the same road again; *host* is empty for the addresses of inet_interfaces.

    *filters* and *routes*: whether that holds for a content_filter, and for every other next hop; *checks*: whether
    header and body checks see it as before; *same*: no proxy or cleanup of its own changes the road.
    """

    name: str
    host: str
    port: int
    filters: bool
    routes: bool
    checks: bool
    same: bool
    proxy: str


@dataclass(frozen=True, slots=True)
class OwnHost:
    """Where this configuration itself listens, and the transports of smtp(8), which would go there.

    *default* is the transport of mail that leaves; *kept* are the domains whose mail has another one by itself, None
    when only a table knows them.
    """

    name: str
    addresses: frozenset[str]
    interfaces: tuple[str, ...]
    ports: frozenset[tuple[str, int]]
    listeners: tuple[_Listener, ...]
    transports: frozenset[str]
    default: str
    kept: frozenset[str] | None

    def hops(self, route: str, key: str = "") -> list[str]:
        """The next hops of ``transport:nexthop``, if smtp(8) reads them; *key* is whose mail that is, in a table."""
        transport, _, text = route.partition(":")
        if not transport.strip() and self.kept is not None and key.rpartition("@")[2].lower() not in self.kept:
            transport = self.default
        return words(text) if transport.strip() in self.transports else []

    def suspects(self) -> re.Pattern[str]:
        """What a next hop that may lead here looks like: an address, or a name of ours. Most rows name neither."""
        inside = rf"(?:ipv6:)?(?:{re.escape(self.name)}|[\d.]+|[\da-f.]*:[\da-f:.]*)"
        return re.compile(rf"\[{inside}\]|localhost", re.IGNORECASE)

    def is_certain(self, hop: str) -> bool:
        """Whether the next hop is this host wherever that is."""
        match = _HOP.fullmatch(hop)
        host = _host(match) if match else ""
        return host in {"localhost", self.name} or _is_loopback(host)

    def back_to(self, hop: str, *, filtered: bool = False) -> str | None:
        """The name of the smtpd that would get mail for that next hop, and send it there again."""
        for listener in self._listening(hop):
            if listener.filters if filtered else listener.routes:
                return listener.name
        return None

    def back_by_action(self, value: str, *, checks: bool) -> str | None:
        """The smtpd that gets mail for the FILTER of a table, and would filter it again; smtp(8) bounces at once at 25.

        *checks*: the table is one of header or body checks. What other tables say of mail from here is not known.
        """
        action, _, route = value.partition(" ")
        for hop in self.hops(route.strip()) if action.lower() == "filter" else ():
            for listener in self._listening(hop):
                if listener.port == _SMTP or (checks and listener.checks):
                    return listener.name
        return None

    def proxied_again(self, text: str) -> str | None:
        """The smtpd behind smtpd_proxy_filter that hands mail to the same place again."""
        # smtpd connects to the very host that is written, as smtp(8) does to one in brackets; no host means localhost.
        place = re.sub(r"\A([^\[:]*):", r"[\1]:", text.removeprefix("inet:")).replace("[]", "[127.0.0.1]")
        listeners = self._listening(place, proxied=True)
        return next((listener.name for listener in listeners if listener.proxy == text), None)

    def _listening(self, hop: str, *, proxied: bool = False) -> Iterator[_Listener]:
        """The smtpds of this configuration that a next hop leads to."""
        match = _HOP.fullmatch(hop)
        if match:
            host, port = _host(match), _port(match["port"] or "smtp", dict(self.ports))
            for listener in self.listeners:
                if listener.port == port and (listener.same or proxied) and self._reaches(host, listener.host):
                    yield listener

    def _reaches(self, host: str, listening: str) -> bool:
        """Whether a listener on that address, or on those of inet_interfaces, is reached by that host."""
        mine = host in self.addresses or host in {"localhost", self.name} or _is_loopback(host)
        if not mine:
            return False
        where = [listening] if listening else self.interfaces
        if {"all", "0.0.0.0", "::"} & set(where):  # noqa: S104 - compared, never bound
            return True
        if {"loopback-only", "localhost"} & set(where):
            return host == "localhost" or _is_loopback(host)
        return host in where or (host == "localhost" and any(map(_is_loopback, where)))


def own_host(merged: Contribution, facts: Facts) -> OwnHost:
    """What master.cf and the host say of where mail would come back."""
    main = Scope(merged, facts)
    ports = port_names(main)
    kept = [*main.words("mydestination"), *main.words("virtual_mailbox_domains")]
    return OwnHost(
        name=main.value("myhostname").lower(),
        addresses=frozenset(str(address.ip) for address in facts.addresses) | {*main.words("proxy_interfaces")},
        interfaces=tuple(main.words("inet_interfaces")),
        ports=frozenset(ports.items()),
        listeners=tuple(_listeners(main, ports)),
        transports=frozenset(
            service.name for service in merged.entries if service.type == "unix" and service.command == "smtp"
        ),
        default=transport_of(main.value("default_transport")),
        kept=None if any(mark in word for word in kept for mark in ":/") else frozenset(map(str.lower, kept)),
    )


def _listeners(main: Scope, ports: dict[str, int]) -> Iterator[_Listener]:
    for service in main.merged.entries:
        place = _LISTENER.fullmatch(service.name) if service.type == "inet" else None
        if not place or service.command != "smtpd":
            continue
        scope = Scope(main.merged, main.facts, service)
        filtered = bool(scope.value("content_filter"))
        yield _Listener(
            name=service.name, host=place["host"] or "", port=_port(place["port"], ports), filters=filtered,
            routes=not filtered and _keeps(scope, main),
            checks="no_header_body_checks" not in scope.words("receive_override_options"),
            same=all(scope.value(name) == main.value(name) for name in _OTHER_ROADS),
            proxy=scope.value("smtpd_proxy_filter").strip(),
        )  # fmt: skip


def _keeps(scope: Scope, main: Scope) -> bool:
    """Whether mail that comes in there is for whom it was for before: nobody else rewrites its recipients."""
    maps = "no_address_mappings"
    # What main.cf leaves unmapped may be mapped here for the first time, and then be for somebody else.
    first, again = [maps in place.words("receive_override_options") for place in (main, scope)]
    milters = scope.value("smtpd_milters")
    return (again or not first) and (not milters or milters == main.value("smtpd_milters"))


def _host(match: re.Match[str]) -> str:
    """The host of a next hop, as addresses and names are compared."""
    text = (match["inside"] or match["bare"]).lower().removeprefix("ipv6:")
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _port(text: str, ports: dict[str, int]) -> int:
    return int(text) if text.isdigit() else ports.get(text, 0)


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
