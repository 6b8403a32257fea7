"""More words for what is true of this host: listeners, certificates and servers, as values for the rules.

All values are frozen and compare by what they say. Nothing here performs I/O, and nothing here raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Interface, IPv6Interface


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket that a process listens on; *ours* says that it is a child of the Postfix we manage."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true of this host now.

    *parameters* maps every name this Postfix knows to its default; *programs* are the files of daemon_directory;
    *ports* are services(5)'s, *packages* versions. Of what the desired state names, *files* says whether it can be
    read, *pems* what is in it, *answers* why a server gives none or "", *names* what leads back to an address, or None.
    """

    host: str
    version: str
    parameters: Mapping[str, str]
    map_types: frozenset[str]
    programs: frozenset[str]
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    users: frozenset[str]
    ports: Mapping[str, int]
    listeners: tuple[Listener, ...]
    files: Mapping[str, bool] = field(default_factory=dict)
    pems: Mapping[str, Pem] = field(default_factory=dict)
    answers: Mapping[Server, str | None] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)

    @property
    def compiled_type(self) -> str:
        """The type of the tables that features make: LMDB where this Postfix has it."""
        return "lmdb" if "lmdb" in self.map_types else "hash"
