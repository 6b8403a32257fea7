"""The host itself as a next hop: mail loops through the services of this configuration.

A next hop is this host if it is one of its addresses or names and an smtpd of this configuration listens there. Mail
that arrives at that service is routed to the same next hop again. Raises nothing.

Known limits: the only known names are myhostname and localhost. Next hops without brackets lead to MX hosts, which are
not looked up. A listener that routes mail differently (proxy filter, another cleanup, content filter) does not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.postfix.derived import derived
from reconciler.postfix.nexthops import port_names
from reconciler.postfix.numbers import as_number
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Facts

COMES_BACK = "mail would loop until it bounces"
_HOP = re.compile(r"(?:\[(?P<inside>[^\]]+)\]|(?P<bare>localhost))(?::(?P<port>[\w-]+))?", re.IGNORECASE | re.ASCII)
_LISTENER = re.compile(r"(?:\[?(?P<host>[^\]]*?)\]?:)?(?P<port>[\w-]+)", re.ASCII)
_SMTP = 25
# With other values of these, a listener may route mail differently.
_OTHER_ROADS = ("smtpd_proxy_filter", "cleanup_service_name")


@dataclass(frozen=True, slots=True)
class _Listener:
    """An smtpd of this configuration; *host* is empty for the addresses of inet_interfaces.

    *filters* is true if it sends mail to a content_filter again, *routes* if it sends mail to any other next hop again,
    and *checks* if header and body checks apply again. *same* is true without its own proxy filter or cleanup.
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
    """The listeners of this configuration, and the transports of smtp(8), which can connect to them.

    *default* is the transport of outbound mail. *kept* are the domains with another transport by their address class,
    or None if these domains are in a table.
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
        """Return the next hops of ``transport:nexthop``, if smtp(8) reads them; *key* is the key of the table entry."""
        transport, _, text = route.partition(":")
        if not transport.strip(SPACE) and self.kept is not None and key.rpartition("@")[2].lower() not in self.kept:
            transport = self.default
        return words(text) if transport.strip(SPACE) in self.transports else []

    def suspects(self) -> re.Pattern[str]:
        """Return a pattern for next hops that may be this host: an address, or a name. Most rows have neither."""
        inside = rf"(?:ipv6:)?(?:{re.escape(self.name)}|[\d.]+|[\da-f.]*:[\da-f:.]*)"
        return re.compile(rf"\[{inside}\]|localhost", re.IGNORECASE | re.ASCII)

    def is_certain(self, hop: str) -> bool:
        """Return whether the next hop is this host, whatever its addresses are."""
        match = _HOP.fullmatch(hop)
        host = _host(match) if match else ""
        return host in {"localhost", self.name} or _is_loopback(host)

    def back_to(self, hop: str, *, filtered: bool = False) -> str | None:
        """Return the name of the smtpd that would receive mail for the next hop and send it there again."""
        for listener in self._listening(hop):
            if listener.filters if filtered else listener.routes:
                return listener.name
        return None

    def back_by_action(self, value: str, *, checks: bool) -> str | None:
        """Return the smtpd that receives mail from a table's FILTER action, and would filter it again.

        At port 25, smtp(8) bounces such mail at once. *checks* is true for a table of header or body checks. For other
        tables it is unknown whether the action applies to mail from this host.
        """
        action, _, route = value.partition(" ")
        for hop in self.hops(route.strip(SPACE)) if action.lower() == "filter" else ():
            for listener in self._listening(hop):
                if listener.port == _SMTP or (checks and listener.checks):
                    return listener.name
        return None

    def proxied_again(self, text: str) -> str | None:
        """Return the smtpd behind smtpd_proxy_filter that passes mail to the same filter again."""
        # smtpd looks up no MX hosts, as smtp(8) for a host in brackets; no host means localhost.
        place = re.sub(r"\A([^\[:]*):", r"[\1]:", text.removeprefix("inet:")).replace("[]", "[127.0.0.1]")
        listeners = self._listening(place, proxied=True)
        return next((listener.name for listener in listeners if listener.proxy == text), None)

    def _listening(self, hop: str, *, proxied: bool = False) -> Iterator[_Listener]:
        """Yield the smtpds of this configuration that a next hop leads to."""
        match = _HOP.fullmatch(hop)
        if match:
            host, port = _host(match), _port(match["port"] or "smtp", dict(self.ports))
            for listener in self.listeners:
                if listener.port == port and (listener.same or proxied) and self._reaches(host, listener.host):
                    yield listener

    def _reaches(self, host: str, listening: str) -> bool:
        """Return whether a connection to *host* reaches a listener on an address, or on those of inet_interfaces."""
        mine = host in self.addresses or host in {"localhost", self.name} or _is_loopback(host)
        if not mine:
            return False
        where = [listening] if listening else self.interfaces
        if {"all", "0.0.0.0", "::"} & set(where):  # noqa: S104 - compared, never bound
            return True
        if {"loopback-only", "localhost"} & set(where):
            return host == "localhost" or _is_loopback(host)
        return host in where or (host == "localhost" and any(map(_is_loopback, where)))


@derived
def own_host(merged: Contribution, facts: Facts) -> OwnHost:
    """Collect the listeners and next hops of this host from master.cf and the facts."""
    main = Scope(merged, facts)
    ports = port_names(main)
    kept = [*main.words("mydestination"), *main.words("virtual_mailbox_domains")]
    return OwnHost(
        name=main.value("myhostname").lower(),
        addresses=frozenset(facts.own_by_text) | {*main.words("proxy_interfaces")},
        interfaces=tuple(main.words("inet_interfaces")),
        ports=frozenset(ports.items()),
        listeners=tuple(_listeners(main, ports)),
        transports=frozenset(service.name for service in merged.running("smtp") if service.type == "unix"),
        default=transport_of(main.value("default_transport")),
        kept=None if any(mark in word for word in kept for mark in ":/") else frozenset(map(str.lower, kept)),
    )


def _listeners(main: Scope, ports: dict[str, int]) -> Iterator[_Listener]:
    for service in main.merged.running("smtpd"):
        place = _LISTENER.fullmatch(service.name) if service.type == "inet" else None
        if not place:
            continue
        scope = Scope(main.merged, main.facts, service)
        filtered = bool(scope.value("content_filter"))
        yield _Listener(
            name=service.name, host=place["host"] or "", port=_port(place["port"], ports), filters=filtered,
            routes=not filtered and _keeps(scope, main),
            checks="no_header_body_checks" not in scope.words("receive_override_options"),
            same=all(scope.value(name) == main.value(name) for name in _OTHER_ROADS),
            proxy=scope.value("smtpd_proxy_filter").strip(SPACE),
        )  # fmt: skip


def _keeps(scope: Scope, main: Scope) -> bool:
    """Return whether mail that arrives there keeps its recipients: no other address mapping or milter applies."""
    maps = "no_address_mappings"
    # Addresses that main.cf does not map may be mapped here for the first time, which changes the recipient.
    unmapped_before, unmapped = [maps in place.words("receive_override_options") for place in (main, scope)]
    milters = scope.value("smtpd_milters")
    return (unmapped or not unmapped_before) and (not milters or milters == main.value("smtpd_milters"))


def _host(match: re.Match[str]) -> str:
    """Return the host of a next hop in the form for comparisons."""
    text = (match["inside"] or match["bare"]).lower().removeprefix("ipv6:")
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _port(text: str, ports: dict[str, int]) -> int:
    return as_number(text) if is_digits(text) else ports.get(text, 0)


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
