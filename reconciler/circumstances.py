"""More words for what is true of this host: listeners, certificates and servers, as values for the rules.

All values are frozen and compare by what they say. Nothing here performs I/O, and nothing here raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket somebody listens on; *ours* says that it is a child of the Postfix we manage."""

    address: str
    port: int
    program: str
    ours: bool


class Key(NamedTuple):
    """A private key: the digest of its public half, empty when only OpenSSL can read it."""

    public: str


class Certificate(NamedTuple):
    """A certificate: the digest of its public key, its names, the whole days it is still good, whether it is yet.

    *public* is empty, and *names* too, when only OpenSSL can read it.
    """

    public: str
    names: tuple[str, ...] = ()
    days: int = 0
    begun: bool = True


class Pem(NamedTuple):
    """A PEM file's keys and certificates in their order; *problem* says what is wrong with the file as such."""

    blocks: tuple[Key | Certificate, ...] = ()
    problem: str = ""


class Server(NamedTuple):
    """Where a program that Postfix asks listens: a unix socket's *path*, or a *host* and port."""

    host: str = ""
    port: int = 0
    path: str = ""


RESOLVER = Server(port=53)
"""The name server of resolv.conf(5), which answers when it checks DNSSEC."""


class Mentioned(NamedTuple):
    """What a desired state names that only the host can tell of: files, PEM files among them, servers, addresses."""

    paths: frozenset[str] = frozenset()
    pems: frozenset[str] = frozenset()
    servers: frozenset[Server] = frozenset()
    addresses: frozenset[str] = frozenset()
