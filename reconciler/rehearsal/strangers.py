"""Choose the addresses of a rehearsal's strangers: such that no table, no setting and no address of this host means.

A table that blocks a network is not to decide how every client fares. Pure: each text is searched for a few words, and
a table of many rows is not parsed. Raises nothing.

Known limits: tables that are not in the commit are not searched. Where each candidate is meant, the first one is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from reconciler.model.past import PastOf
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.table_parts import each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reconciler.model import Table
    from reconciler.model.facts import Interfaces

Network = IPv4Network | IPv6Network
# The networks for documentation first (RFC 5737, 3849, 9637), then addresses that look like those of any client.
_CANDIDATES = ("203.0.113.7", "198.51.100.7", "145.97.39.155", "91.198.174.7", "62.4.16.7", "85.17.6.7", "177.8.9.7")
_CANDIDATES6 = ("2001:db8:ffff::7", "3fff:fff::7", "2a02:2e0:3fe::7", "2607:f8b0:4::7", "2400:cb00:7::7")
# Networks with so short a prefix that they hold addresses whose beginning they do not show.
_WIDE = re.compile(rb"0/(?:[0-9]|1[0-5])(?![0-9])"), re.compile(rb":/(?:[12]?[0-9]|3[0-2])(?![0-9])")
_outside: PastOf[frozenset[str]] = PastOf(2)
"""By the addresses of the host: the candidates that are in none of its networks."""
_NETWORK, _ELSE, _LONGEST = re.compile(rb"[0-9A-Fa-f.:]+/[0-9]+"), re.compile(rb"[^0-9A-Fa-f.:/]"), 48


@dataclass(frozen=True, slots=True)
class Strangers:
    """A stranger's address of each family."""

    four: str
    six: str

    def facing(self, address: str) -> str:
        """Return the stranger who can reach *address*."""
        return self.six if ":" in address else self.four


def strangers(main: Scope) -> Strangers:
    """Return the strangers for a commit on this host."""
    values, tables = list(_values(main)), main.merged.tables.values()
    wide = (network for value in values for network in _wide_networks(value))
    wide_rows = (network for table in tables for _, found in each(table, _networks) for network in found)
    networks, own = {*wide, *wide_rows}, main.facts.addresses
    free = _outside.of(own, (), lambda: _outside_of(own))

    def means(candidate: str) -> bool:
        return (
            candidate not in free
            or _is_in_any(candidate, networks)
            or any(_is_meant(candidate, value) for value in values)
            or any(found for table in tables for _, found in each(table, _is_in, candidate))
        )

    return Strangers(*(_first(candidates, means) for candidates in (_CANDIDATES, _CANDIDATES6)))


def _values(main: Scope) -> Iterator[bytes]:
    for scope in scopes(main.merged, main.facts):
        for parameter in scope.written:
            yield (scope.expanded(parameter.value) or parameter.value).encode("utf-8", "replace")


def _networks(table: Table) -> tuple[Network, ...]:
    return tuple(_wide_networks(table.source))


def _is_in(table: Table, candidate: str) -> bool:
    return _is_meant(candidate, table.source)


def _outside_of(addresses: Interfaces) -> frozenset[str]:
    """Return the candidates that are in no network of these addresses."""
    networks = {address.network for address in addresses}
    return frozenset(one for one in (*_CANDIDATES, *_CANDIDATES6) if not _is_in_any(one, networks))


def _is_in_any(candidate: str, networks: Iterable[Network]) -> bool:
    address = ip_address(candidate)
    return any(address in network for network in networks)


def _first(candidates: Sequence[str], means: Callable[[str], bool]) -> str:
    """Return the first candidate that nothing means."""
    return next((candidate for candidate in candidates if not means(candidate)), candidates[0])


def _is_meant(candidate: str, text: bytes) -> bool:
    """Return whether a text has the beginning of an address, as part of a key, of a network or of a pattern."""
    mark = ":" if ":" in candidate else "."
    first, second, third, *_ = candidate.split(mark)
    beginning = f"{first}{mark}{second}"
    # The first number alone is a key for all that begins with it (access(5)).
    words = [f"\n{first} ", f"\n{first}\t", f"{{{first} ", f"{{{first}=", f"{{ {first} "]
    if mark == ".":
        words += [beginning, f"{first}\\.", f"{first}[.]"]
    else:  # addresses for documentation begin alike, so that the third number tells them apart
        words += [f"{beginning}:{third}" * bool(third), f"{beginning}::/", f"{beginning} ", f"{beginning}\t"]
        words += [word.upper() for word in words]
    starts = (f"{first} ".encode(), f"{first}\t".encode())
    return text.startswith(starts) or any(word.encode() in text for word in words if word)


def _wide_networks(text: bytes) -> Iterator[Network]:
    """Yield the networks in a text that hold more than what is written of them."""
    for pattern in _WIDE:
        for match in pattern.finditer(text):
            yield from _network(text[max(match.start() - _LONGEST, 0) : match.end()])


def _network(text: bytes) -> Iterator[Network]:
    """Yield the network at the end of a text; everything is no network that anybody means in particular."""
    match = _NETWORK.fullmatch(_ELSE.split(text)[-1])
    try:
        network = ip_network(match[0].decode(), strict=False) if match else None
    except ValueError:
        return
    if network and network.prefixlen:
        yield network
