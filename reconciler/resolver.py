"""What DNS says of this host's addresses; the door to dnspython.

Promises: reverse_names() asks for all addresses at once, takes no longer than TIMEOUT, and changes nothing. Raises
nothing: what DNS does not answer in that time is None.

Known limits: only the name servers of /etc/resolv.conf are asked, and /etc/hosts is not read, for receivers don't
either. A name server that is silent leaves a thread waiting for it.
"""

from __future__ import annotations

import threading
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.exception
import dns.resolver
import dns.reversename

if TYPE_CHECKING:
    from collections.abc import Collection

TIMEOUT = 1.0
_MOST = 8  # names of one address that are followed


def reverse_names(addresses: Collection[str]) -> dict[str, tuple[str, ...] | None]:
    """The names of each address that lead back to it, in lower case and without the last dot; None where unknown."""
    unknown: dict[str, tuple[str, ...] | None] = dict.fromkeys(addresses)
    found: dict[str, tuple[str, ...] | None] = {}
    until = time.monotonic() + TIMEOUT

    def one(address: str) -> None:
        found[address] = _names(address)

    threads = [threading.Thread(target=one, args=(address,), daemon=True, name="resolve") for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return unknown | found.copy()


def _names(address: str) -> tuple[str, ...] | None:
    """The names that lead back; one of several whose own zone does not answer is taken to."""
    try:
        resolver = dns.resolver.Resolver()
        resolver.lifetime = TIMEOUT
        named = _asked(resolver, str(dns.reversename.from_address(address)), "PTR")
    except (dns.exception.DNSException, OSError):
        return None
    leading = {name: _leads(resolver, name, address) for name in named[:_MOST]}
    if named and all(answer is None for answer in leading.values()):
        return None
    return tuple(name for name, answer in leading.items() if answer is not False)


def _leads(resolver: dns.resolver.Resolver, name: str, address: str) -> bool | None:
    """Whether a name has that address; None where DNS does not say."""
    wanted = ip_address(address)
    try:
        found = _asked(resolver, name, "AAAA" if wanted.version == 6 else "A")  # noqa: PLR2004 - IPv6
        return wanted in map(ip_address, found)
    except (dns.exception.DNSException, OSError, ValueError):
        return None


def _asked(resolver: dns.resolver.Resolver, name: str, kind: str) -> list[str]:
    try:
        return sorted(str(one).lower().removesuffix(".") for one in resolver.resolve(name, kind, search=False))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
