"""Choose which of this host's addresses an interface of a rehearsal has; the others are this host's by a route.

Postfix's processes read the addresses of all interfaces when they start, and several do at each look-up of a name: a
host of many sites has thousands, and all that sites do is to leave from theirs, for which a route to it is enough. An
interface has every address that a text names in another way, the first of each family, one of each network that is
larger than an address, and all that are local or of IPv6, where a service can't leave from an address that no interface
has. Pure. Raises nothing.

Known limit: where mynetworks is left to mynetworks_style, it lacks the other addresses.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, summarize_address_range
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.past import PastOf
from reconciler.postfix.scopes import scopes
from reconciler.postfix.table_parts import search, texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.desired.flows import Flow
    from reconciler.model.facts import Interface, Interfaces
    from reconciler.postfix.scopes import Scope

FEWEST = 16
"""Addresses that a route replaces; fewer cost nothing."""
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_INSIDE = re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.")
"""What a text has in which there is an address; it is found quickly."""


class OwnAddresses(NamedTuple):
    """The addresses that an interface has, with their prefixes, and the networks of the others."""

    on_interfaces: Interfaces
    networks: tuple[str, ...] = ()


_placed: PastOf[OwnAddresses] = PastOf(2)


def placed(main: Scope, flows: Iterable[Flow]) -> OwnAddresses:
    """Return the addresses of the host; *main* has those services alone that say something of their own."""
    addresses = main.facts.addresses
    if len(addresses) < FEWEST:
        return OwnAddresses(addresses)
    own = main.facts.own_by_text
    named = {int(own[text]) for text in _named(main, flows) if text in own}
    return _placed.of(addresses, (named,), lambda: _apart(addresses, named))


def _apart(addresses: Interfaces, named: Collection[int]) -> OwnAddresses:
    """Return the addresses, those apart that are not *named* and that a route can replace."""
    first: set[object] = set()
    kept: list[Interface] = []
    others: list[int] = []
    for one in addresses:
        address = one.ip
        place = address.version if one.prefixlen == address.max_prefixlen else one.network
        is_any = address.version == 4 and not address.is_loopback and not address.is_link_local  # noqa: PLR2004
        if is_any and place in first and int(address) not in named:
            others.append(int(address))
        else:
            kept.append(one)
        if is_any:
            first.add(place)
    if len(others) < FEWEST:
        return OwnAddresses(addresses)
    return OwnAddresses(tuple(kept), tuple(_networks(sorted(others))))


def _named(main: Scope, flows: Iterable[Flow]) -> Iterator[str]:
    """Yield the IPv4 addresses that something names which a rehearsal could play."""
    everywhere = scopes(main.merged, main.facts)
    values = (scope.expanded(parameter.value) or "" for scope in everywhere for parameter in scope.written)
    services = (f"{service.name} {' '.join(service.arguments)}" for service in main.merged.entries)
    resolved = (address for found in main.facts.hosts.values() for address in found or ())
    for text in (*values, *services, *resolved, *map(str, flows)):
        yield from _IPV4.findall(text)
    own = frozenset(main.facts.own_by_text)
    for table in main.merged.tables.values():
        yield from texts(table, _IPV4, own) if not table.is_secret and search(table, _INSIDE) else ()


def _networks(numbers: Sequence[int]) -> Iterator[str]:
    """Yield the networks that hold exactly these addresses, which are in their order."""
    begin = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] > numbers[end - 1] + 1:
            span = summarize_address_range(IPv4Address(numbers[begin]), IPv4Address(numbers[end - 1]))
            yield from map(str, span)
            begin = end
