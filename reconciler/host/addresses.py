"""The addresses of this host's interfaces, as rtnetlink(7) lists them.

A host of many sites has thousands of addresses, and a pass asks for them several times: each is read once, and the
same addresses are the same value, so that what is derived from it is kept by its place in memory. Raises OSError if the
kernel does not answer. Known limit: only interfaces of the own network namespace are listed.
"""

from __future__ import annotations

import functools
import socket
import struct
from ipaddress import IPv4Interface, IPv6Interface

from reconciler.host.sockets import dumped
from reconciler.model.past import Past

Interface = IPv4Interface | IPv6Interface
_MOST = 1 << 14
_ROUTE, _GET_ADDRESS, _ADDRESS, _LOCAL = 0, 22, 1, 2  # linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_REQUEST = bytes(8)  # struct ifaddrmsg for any family
_last: Past[tuple[Interface, ...]] = Past(1)


def own() -> tuple[Interface, ...]:
    """Return the addresses of this host's interfaces, with their prefixes."""
    found = tuple(one for one in map(_read, dumped(_ROUTE, _GET_ADDRESS, _REQUEST)) if one)
    last = _last.used("")
    if found == last:
        return last
    _last.keep("", found)
    return found


@functools.lru_cache(maxsize=_MOST)
def _read(message: bytes) -> Interface | None:
    """Read a struct ifaddrmsg and its attributes; our end of a line between two hosts is the local address."""
    family, prefix = message[:2]
    found, start = dict[int, bytes](), 8
    while start < len(message):
        length, name = struct.unpack_from("=HH", message, start)
        found[name] = message[start + 4 : start + length]
        start += (length + 3) & ~3
    address = found.get(_LOCAL) or found.get(_ADDRESS)
    if not address or family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    return IPv4Interface((address, prefix)) if family == socket.AF_INET else IPv6Interface((address, prefix))
