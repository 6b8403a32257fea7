"""Services must listen on addresses and ports that the master can bind, and mail must leave from this host's own.

If the master can't bind an address, it exits about a second after a reload that reported success. Findings are of the
moment, except for addresses and ports that no host could bind. Raises nothing.

Known limit: host names are not resolved, so the rule checks only addresses that are written as numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import compress
from typing import TYPE_CHECKING

from reconciler.model import MASTER, UNWRITTEN, Finding, Mentioned, Service, did_you_mean, error_at
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.model.past import PastOfEach
from reconciler.postfix.disabled import started
from reconciler.postfix.nexthops import port_names
from reconciler.postfix.numbers import as_number
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.model import Contribution, Desired, Facts, Listener, Parameter

if TYPE_CHECKING:
    Address = IPv4Address | IPv6Address
_BIND = {"smtp_bind_address": 4, "smtp_bind_address6": 6, "lmtp_bind_address": 4, "lmtp_bind_address6": 6}
_LOCAL_RELAY = re.compile(r"\[(?:127\.|::1|localhost)")
_MAX_PORT = 65535
_NO_NAMES = frozenset({"", "all", "localhost", "loopback-only"})
_LONGEST = 107  # bytes of a socket's path (unix(7), sun_path), without the null byte
_WILDCARDS = (IPv4Address("0.0.0.0"), IPv6Address("::"))  # noqa: S104 - compared, never bound
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


_excesses = PastOfEach[Service, int]()


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A service's ``host:port`` as master(5) reads it; *port* is None where its name is unknown."""

    service: Service
    host: str
    port_name: str
    port: int | None


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that the master can bind each listener, and delivery agents the address that they send from."""
    main = Scope(merged, facts)
    ports = port_names(main)
    listening = started(merged, facts).of_type("inet")
    endpoints = [_listen_address(service, ports) for service in listening]
    own, taken = facts.own, _foreign_listeners(facts)
    for endpoint in endpoints:
        yield from _bad_port(endpoint, ports)
        yield from _bad_host(endpoint, own)
        yield from _taken_port(endpoint, main, taken)
    yield from _too_long(merged)
    yield from _clashes(endpoints, main)
    yield from _companions(endpoints, main)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            yield from _bind_address(scope, parameter, own)
            yield from _interfaces(scope, parameter, own)


def _finding(rule: str, service: Service, text: str, *, lasting: bool = False) -> Finding:
    text = f'listener "{service.name}": {text}'
    return Finding(
        rule=rule, where=service.where, text=text, subject=service.key, lasting=lasting, starts=frozenset({MASTER})
    )


def _listen_address(service: Service, ports: dict[str, int]) -> ListenAddress:
    match = re.fullmatch(r"(?:(?:\[(?P<v6>[^\]]*)\]|(?P<host>.*)):)?(?P<port>[^:]*)", service.name)
    host, name = (match["v6"] or match["host"] or "", match["port"]) if match else ("", service.name)
    return ListenAddress(service, host, name, as_number(name) if is_digits(name) else ports.get(name))


def _bad_port(endpoint: ListenAddress, ports: dict[str, int]) -> Iterator[Finding]:
    if endpoint.port is None:
        hint = did_you_mean(endpoint.port_name, ports)
        what = f'unknown port "{endpoint.port_name}": the master would exit at the next reload{hint}'
        yield _finding("unknown-port", endpoint.service, what)
    elif not 0 < endpoint.port <= _MAX_PORT:
        what = f"port {endpoint.port} is not between 1 and {_MAX_PORT}: the master would exit"
        yield _finding("unknown-port", endpoint.service, what, lasting=True)


def _bad_host(endpoint: ListenAddress, own: Collection[Address]) -> Iterator[Finding]:
    if not endpoint.host:
        return
    address = _address(endpoint.host)
    if address is None:
        if re.fullmatch(r"[0-9.]+|[0-9a-fA-F]*:[0-9a-fA-F:]*", endpoint.host):
            what = f'"{endpoint.host}" is not an IP address; write IPv6 as [::1]:25'
            yield _finding("malformed-address", endpoint.service, what, lasting=True)
    elif not _is_here(address, own):
        what = f'address "{address}" is not on this host: the master would exit at the next reload'
        yield _finding("foreign-address", endpoint.service, what)


def _too_long(merged: Contribution) -> Iterator[Finding]:
    """Check the length of each socket's path: the master binds sockets by their path below queue_directory."""
    services = merged.entries
    for service in compress(services, _excesses.of(services, (), _excess)):
        what = (
            f'service "{service.name[:20]}...": its name is {_excess(service)} bytes too long for a socket, and the'
            " master would exit"
        )
        yield error_at("long-service-name", service.where, what, service.key)


def _excess(service: Service) -> int:
    """Return by how many bytes the path of a service's socket is too long."""
    path = f"{'public' if service.private == 'n' else 'private'}/{service.name}"
    return max(len(path.encode("utf-8", "surrogateescape")) - _LONGEST, 0) if service.type in {"unix", "pass"} else 0


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def _is_here(address: Address, own: Collection[Address]) -> bool:
    """Return whether this host, whose addresses are *own*, has the address."""
    return address in own or address in _WILDCARDS or address.is_loopback


# ---- other listeners -------------------------------------------------------------------------------------------------


def _bound(endpoint: ListenAddress, main: Scope) -> list[Address]:
    """Return the addresses that the master binds for a service, as far as they are written as numbers."""
    if endpoint.host == "localhost":
        return _of_used_families(list(_LOOPBACK), main)
    if endpoint.host:
        return [address for address in [_address(endpoint.host)] if address]
    addresses: list[Address] = []
    for word in main.words("inet_interfaces"):
        if word == "all":
            addresses += _WILDCARDS
        elif word in {"loopback-only", "localhost"}:
            addresses += _LOOPBACK
        elif address := _address(word):
            addresses.append(address)
    return _of_used_families(addresses, main)


def _of_used_families(addresses: list[Address], main: Scope) -> list[Address]:
    """Return the addresses of the families in inet_protocols."""
    families = main.words("inet_protocols")
    return [address for address in addresses if not families or {"all", f"ipv{address.version}"} & set(families)]


def _overlap(one: Address, other: Address) -> bool:
    # Postfix binds [::] for IPv6 only (IPV6_V6ONLY), so 0.0.0.0 and :: can have the same port.
    return one == other or (one.version == other.version and (one in _WILDCARDS or other in _WILDCARDS))


def _foreign_listeners(facts: Facts) -> dict[int, list[tuple[Listener, Address]]]:
    """Return the sockets of other programs by their ports."""
    by_port: dict[int, list[tuple[Listener, Address]]] = {}
    for listener in facts.listeners:
        address = None if listener.ours else _address(listener.address)
        if address:
            by_port.setdefault(listener.port, []).append((listener, address))
    return by_port


def _taken_port(
    endpoint: ListenAddress, main: Scope, taken: Mapping[int, list[tuple[Listener, Address]]]
) -> Iterator[Finding]:
    others = taken.get(endpoint.port, []) if endpoint.port is not None else []
    for listener, theirs in others:
        if any(_overlap(theirs, mine) for mine in _bound(endpoint, main)):
            what = f"port {listener.port} on {listener.address} is taken by " + (
                "another Postfix instance: each would get some of the clients"  # both set SO_REUSEPORT
                if listener.program == "master"
                else f'"{listener.program}": the master would exit at the next reload'
            )
            yield _finding("port-taken", endpoint.service, what)
            return


def _clashes(endpoints: list[ListenAddress], main: Scope) -> Iterator[Finding]:
    """Yield a finding for two services of this configuration on one port of one address."""
    before: dict[tuple[int, Address], list[int]] = {}
    for index, endpoint in enumerate(endpoints):
        if endpoint.port is None:
            continue
        # A wildcard and one address do not clash: the master sets SO_REUSEPORT, and the kernel hands a connection to
        # the listener of its address.
        places = {(endpoint.port, address) for address in _bound(endpoint, main)}
        for other in sorted({first for place in places for first in before.get(place, ())}):
            service = endpoints[other].service
            theirs = f'"{service.name}" ({"of the stock" if service.where == UNWRITTEN else service.where})'
            what = f"the service {theirs} already uses port {endpoint.port}"
            yield _finding("port-taken", endpoint.service, what, lasting=True)
        for place in places:
            before.setdefault(place, []).append(index)


def _companions(endpoints: list[ListenAddress], main: Scope) -> Iterator[Finding]:
    """Yield a finding for a service on the port of a companion."""
    for companion in main.merged.companions.values():
        ports = {server.port for server in companion.servers if server.port}
        for endpoint in endpoints:
            bound = _bound(endpoint, main) if endpoint.port in ports else ()
            if any(_overlap(address, loopback) for address in bound for loopback in _LOOPBACK):
                what = f"{companion.name} ({companion.where}) already uses port {endpoint.port}"
                yield _finding("port-taken", endpoint.service, what, lasting=True)


# ---- where mail leaves from ------------------------------------------------------------------------------------------


def _bind_address(scope: Scope, parameter: Parameter, own: Collection[Address]) -> Iterator[Finding]:
    version = _BIND.get(parameter.name)
    text = (scope.expanded(parameter.value) or "").strip(SPACE) if version else ""
    if not version or not text:
        return
    address = _address(text)
    if address is None or address.version != version:
        what = f'{parameter.name} must be an IPv{version} address, got "{text}": smtp would ignore it or exit'
        yield scope.finding("malformed-address", parameter, what)
    elif not _is_here(address, own):
        what = f'{parameter.name}: address "{text}" is not on this host: mail would silently leave from another address'
        yield scope.finding("foreign-address", parameter, what, text, lasting=False)
    elif address.is_loopback and not scope.service and not _LOCAL_RELAY.match(scope.value("relayhost")):
        what = f'{parameter.name}: mail cannot leave this host from "{text}", and all outbound mail would wait'
        yield scope.finding("foreign-address", parameter, what, text)


def _interfaces(scope: Scope, parameter: Parameter, own: Collection[Address]) -> Iterator[Finding]:
    if parameter.name != "inet_interfaces":
        return
    listed = words(scope.expanded(parameter.value) or "")
    for word in listed:
        address = _address(word)
        if word in {"all", "loopback-only"} and len(listed) > 1:
            what = f'inet_interfaces: "{word}" must be the only word: Postfix programs would exit'
            yield scope.finding("bad-value", parameter, what, word)
        if address and not _is_here(address, own):
            what = f'inet_interfaces: address "{word}" is not on this host: Postfix programs would exit'
            found = scope.finding("foreign-address", parameter, what, word, lasting=False)
            yield replace(found, starts=frozenset({MASTER}))
        elif not address and re.fullmatch(r"[0-9.]+", word):
            yield scope.finding("malformed-address", parameter, f'inet_interfaces: "{word}" is not an IP address', word)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the hosts that services listen on, whose addresses a rehearsal needs."""
    ports = port_names(Scope(merged, facts))
    names = {_listen_address(service, ports).host for service in merged.of_type("inet")}
    for scope in scopes(merged, facts):
        names.update(scope.words("inet_interfaces"))
    return Mentioned(hosts=frozenset(name for name in names - _NO_NAMES if _address(name) is None))


EXPLAINED = {
    "long-service-name": (
        "The name of a service of type unix or pass is longer than the kernel allows for the path of a socket. The "
        "master would exit at the next reload. Choose a name of at most 99 bytes."
    ),
    "unknown-port": (
        "A service listens on a port whose name this host does not know, or whose number is out of range. The master "
        "exits at the next reload. Write a valid number, or add the name to /etc/services."
    ),
    "malformed-address": (
        "An address is not a valid IP address. The master or a delivery program would exit, or ignore it. Write IPv4 "
        "as 192.0.2.1 and IPv6 as [2001:db8::1]."
    ),
    "foreign-address": (
        "An address does not belong to this host. If a service listens on it, the master exits at the next reload. "
        "Mail that should leave from it silently leaves from another address. Add the address to an interface first. "
        "reconciler checks this again at every pass."
    ),
    "port-taken": (
        "Another program or service listens on a port that a service needs. The master exits about a second after a "
        "reload that reported success. Stop the other program, or choose another port or address."
    ),
}
PASSING = frozenset(EXPLAINED)
