"""Mail that is sent back to where it came from: next hops that are this very host.

A next hop is this host when it is one of its addresses or names, and a service of this configuration listens there;
what comes in by that service takes the same road again. smtp(8) bounces it ("mail loops back to myself"), or it goes
round until hopcount_limit. Raises nothing.

Known limits: names are known only as myhostname and localhost; next hops without brackets lead to MX hosts, which
nobody asks here. A listener that changes the road (proxy filter, another cleanup, a content filter) is none.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.rules.nexthops import port_names
from reconciler.rules.routes import transport_of
from reconciler.rules.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_HOP = re.compile(r"\[(?P<host>[^\]]+)\](?::(?P<port>[\w-]+))?")
_LISTENER = re.compile(r"(?:\[?(?P<host>[^\]]*?)\]?:)?(?P<port>[\w-]+)")
_ROUTES = frozenset({"content_filter", "default_transport", "relay_transport"})
# What makes a listener a different road: mail that comes in there need not go out as before.
_OTHER_ROADS = ("smtpd_proxy_filter", "cleanup_service_name")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """No next hop that all mail takes is this host."""
    road = _Roads(Scope(merged, facts))
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for hop in _hops(scope, parameter):
                filtered = parameter.name == "content_filter"
                if name := road.back_to(hop, filtered=filtered):
                    then = (
                        "that service has the same content_filter, so mail would be filtered for ever; give it "
                        "-o content_filter="
                        if filtered
                        else "mail would come back until it bounces"
                    )
                    what = f'{parameter.name}: "{hop}" is this host\'s own service "{name}": {then}'
                    yield scope.finding("loops-to-self", parameter, what, hop, lasting=road.certain(hop))


def _hops(scope: Scope, parameter: Parameter) -> list[str]:
    text = (scope.expanded(parameter.value) or "").strip()
    if parameter.name == "relayhost":
        return words(text)
    if parameter.name in _ROUTES:
        service = scope.merged.services.get(f"{transport_of(text)}/unix")
        if service and service.command == "smtp":
            return words(text.partition(":")[2])
    return []


class _Roads:
    """Where this configuration itself listens."""

    def __init__(self, main: Scope) -> None:
        self._main = main
        self._ports = port_names(main)
        self._here = {str(address.ip) for address in main.facts.addresses}
        self._name = main.value("myhostname").lower()

    def certain(self, hop: str) -> bool:
        """Whether the next hop is this host wherever that is."""
        match = _HOP.fullmatch(hop)
        return bool(match and match["host"].lower() in {"localhost", "127.0.0.1", "::1", self._name})

    def back_to(self, hop: str, *, filtered: bool) -> str | None:
        """The name of the smtpd that would get mail for that next hop."""
        match = _HOP.fullmatch(hop)
        if not match:
            return None
        host, port = re.sub(r"^ipv6:", "", match["host"].lower()), self._port(match["port"] or "smtp")
        for service in self._main.merged.entries:
            listener = _LISTENER.fullmatch(service.name) if service.type == "inet" else None
            if not listener or service.command != "smtpd" or self._port(listener["port"]) != port:
                continue
            scope = Scope(self._main.merged, self._main.facts, service)
            if self._reaches(host, listener["host"] or "") and not self._turns(scope, filtered=filtered):
                return service.name
        return None

    def _turns(self, scope: Scope, *, filtered: bool) -> bool:
        """Whether mail that comes in there takes another road."""
        main = self._main
        if any(scope.value(name) != main.value(name) for name in _OTHER_ROADS):
            return True
        return (not scope.value("content_filter")) if filtered else bool(scope.value("content_filter"))

    def _port(self, text: str) -> int:
        return int(text) if text.isdigit() else self._ports.get(text, 0)

    def _reaches(self, host: str, listening: str) -> bool:
        """Whether a listener on that address, or on those of inet_interfaces, is reached by that host."""
        mine = host in self._here or host in {"localhost", self._name} or _is_loopback(host)
        if not mine:
            return False
        where = [listening] if listening else self._main.words("inet_interfaces")
        if {"all", "0.0.0.0", "::"} & set(where):  # noqa: S104 - compared, never bound
            return True
        if {"loopback-only", "localhost"} & set(where):
            return host == "localhost" or _is_loopback(host)
        return host in where or (host == "localhost" and any(map(_is_loopback, where)))


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False


EXPLAINED = {
    "loops-to-self": (
        "A next hop that all mail takes is this very host, where the same configuration would send it on again. "
        'Postfix bounces it ("mail loops back to myself"), or it goes round until it has too many hops. Name the host '
        "that was meant; a service that gets mail back from a content filter needs -o content_filter= of its own."
    ),
}
