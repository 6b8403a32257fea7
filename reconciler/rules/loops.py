"""Mail that is sent back to where it came from: next hops that are this very host.

A next hop is this host when it is one of its addresses or names, and a service of this configuration listens there;
what comes in by that service takes the same road again. smtp(8) bounces it ("mail loops back to myself"), or it goes
round until hopcount_limit. Raises nothing.

Known limits: names are known only as myhostname and localhost; next hops without brackets lead to MX hosts, which
nobody asks here. A listener that changes the road (proxy filter, another cleanup, a content filter) is none, and no
FILTER action is followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.rules.nexthops import port_names
from reconciler.rules.routes import RELAY_MAPS, TRANSPORT_MAPS, TRANSPORTS, transport_of, values_in
from reconciler.rules.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_HOP = re.compile(r"\[(?P<host>[^\]]+)\](?::(?P<port>[\w-]+))?")
_LISTENER = re.compile(r"(?:\[?(?P<host>[^\]]*?)\]?:)?(?P<port>[\w-]+)")
_HOSTS = frozenset({"relayhost", "smtp_fallback_relay"})
# What makes a listener a different road: mail that comes in there need not go out as before.
_OTHER_ROADS = ("smtpd_proxy_filter", "cleanup_service_name")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """No next hop that a setting names is this host; those in tables are judged with their entries."""
    here = home(merged, facts)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            filtered = parameter.name == "content_filter"
            for hop in _hops(scope, parameter, here):
                if name := here.back_to(hop, filtered=filtered):
                    then = (
                        "that service has the same content_filter, so mail would be filtered for ever; give it "
                        "-o content_filter="
                        if filtered
                        else COMES_BACK
                    )
                    what = f'{parameter.name}: "{hop}" is this host\'s own service "{name}": {then}'
                    yield scope.finding("loops-to-self", parameter, what, hop, lasting=here.is_certain(hop))


COMES_BACK = "mail would come back until it bounces"


def _hops(scope: Scope, parameter: Parameter, here: Home) -> list[str]:
    """The next hops for smtp(8) that a setting holds, those of static: and inline: tables included."""
    name, text = parameter.name, (scope.expanded(parameter.value) or "").strip()
    if name in _HOSTS:
        return words(text)
    if name in RELAY_MAPS:
        return [hop for value in values_in(text) for hop in words(value)]
    routes = [text] if name in TRANSPORTS else values_in(text) if name in TRANSPORT_MAPS else []
    return [hop for route in routes for hop in here.hops(route)]


@dataclass(frozen=True, slots=True)
class _Listener:
    """An smtpd by which mail takes the same road again; *host* is empty for the addresses of inet_interfaces.

    *filters* and *routes*: whether that holds for a content_filter, and for every other next hop.
    """

    name: str
    host: str
    port: int
    filters: bool
    routes: bool


@dataclass(frozen=True, slots=True)
class Home:
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
        return re.compile(
            rf"\[(?:ipv6:)?(?:localhost|{re.escape(self.name)}|[\d.]+|[\da-f.]*:[\da-f:.]*)\]", re.IGNORECASE
        )

    def is_certain(self, hop: str) -> bool:
        """Whether the next hop is this host wherever that is."""
        match = _HOP.fullmatch(hop)
        host = _plain(match["host"]) if match else ""
        return host in {"localhost", self.name} or _is_loopback(host)

    def back_to(self, hop: str, *, filtered: bool = False) -> str | None:
        """The name of the smtpd that would get mail for that next hop, and send it there again."""
        match = _HOP.fullmatch(hop)
        if not match:
            return None
        host, port = _plain(match["host"]), _port(match["port"] or "smtp", dict(self.ports))
        for listener in self.listeners:
            again = listener.filters if filtered else listener.routes
            if again and listener.port == port and self._reaches(host, listener.host):
                return listener.name
        return None

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


def home(merged: Contribution, facts: Facts) -> Home:
    """What master.cf and the host say of where mail would come back."""
    main = Scope(merged, facts)
    ports = port_names(main)
    kept = [*main.words("mydestination"), *main.words("virtual_mailbox_domains")]
    return Home(
        name=main.value("myhostname").lower(),
        addresses=frozenset(str(address.ip) for address in facts.addresses) | {*main.words("proxy_interfaces")},
        interfaces=tuple(main.words("inet_interfaces")),
        ports=frozenset(ports.items()),
        listeners=tuple(_listeners(main, ports)),
        transports=frozenset(one.name for one in merged.entries if one.type == "unix" and one.command == "smtp"),
        default=transport_of(main.value("default_transport")),
        kept=None if any(mark in word for word in kept for mark in ":/") else frozenset(map(str.lower, kept)),
    )


def _listeners(main: Scope, ports: dict[str, int]) -> Iterator[_Listener]:
    for service in main.merged.entries:
        place = _LISTENER.fullmatch(service.name) if service.type == "inet" else None
        if not place or service.command != "smtpd":
            continue
        scope = Scope(main.merged, main.facts, service)
        if all(scope.value(name) == main.value(name) for name in _OTHER_ROADS):
            filtered = bool(scope.value("content_filter"))
            port = _port(place["port"], ports)
            yield _Listener(service.name, place["host"] or "", port, filtered, not filtered and _keeps(scope, main))


def _keeps(scope: Scope, main: Scope) -> bool:
    """Whether mail that comes in there is for whom it was for before: nobody else rewrites its recipients."""
    maps = "no_address_mappings"
    first, again = [maps in at.words("receive_override_options") for at in (main, scope)]
    milters = scope.value("smtpd_milters")
    return (again or not first) and (not milters or milters == main.value("smtpd_milters"))


def _plain(host: str) -> str:
    """A host as addresses and names are compared."""
    text = host.lower().removeprefix("ipv6:")
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


EXPLAINED = {
    "loops-to-self": (
        "A next hop of a setting or of a table's row is this very host, where the same configuration would send the "
        'mail on again. Postfix bounces it ("mail loops back to myself"), or it goes round until it has too many '
        "hops. Name the host that was meant; a service that gets mail back from a content filter needs "
        "-o content_filter= of its own."
    ),
}
