"""The addresses of this host's interfaces, as rtnetlink(7) lists them.

A host of many sites has thousands of addresses, and a pass asks for them several times: they are read after one came or
went, and the same addresses are the same value, so that what is derived from it is kept by its place in memory. Raises
OSError if the kernel does not answer. Known limit: only interfaces of the own network namespace are listed.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from reconciler.host.address_news import UntilNews
from reconciler.host.sockets import dumped
from reconciler.model import Interface

if TYPE_CHECKING:
    from reconciler.model.facts import Interfaces

_ROUTE, _GET_ADDRESS, _ADDRESS, _LOCAL = 0, 22, 1, 2  # linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_REQUEST = bytes(8)  # struct ifaddrmsg for any family


def own() -> Interfaces:
    """Return the addresses of this host's interfaces, with their prefixes."""
    return _own()


def listed() -> Interfaces:
    """Return the same, as the kernel lists them now."""
    return tuple(one for one in map(_read, dumped(_ROUTE, _GET_ADDRESS, _REQUEST)) if one)


_own = UntilNews(listed)


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
    return Interface(IPv4Address(address) if family == socket.AF_INET else IPv6Address(address), prefix)
