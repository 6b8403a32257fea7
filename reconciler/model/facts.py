"""The facts of this host as values for the rules: listeners, certificates, servers and more.

All values are frozen and compare by their contents. This module performs no I/O and raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Interface, IPv6Interface


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket that a process listens on; *ours* is true for a child of the Postfix that we manage."""

    address: str
    port: int
    program: str
    ours: bool


class Key(NamedTuple):
    """A private key; *public* is the digest of its public key, empty when only OpenSSL can read it."""

    public: str


class Certificate(NamedTuple):
    """A certificate: the digest of its public key, its names, and its validity.

    *days* is the number of whole days until it expires, and *begun* is false before its validity begins. *public* and
    *names* are empty when only OpenSSL can read it.
    """

    public: str
    names: tuple[str, ...] = ()
    days: int = 0
    begun: bool = True


class Pem(NamedTuple):
    """The keys and certificates of a PEM file in their order; *problem* describes an error of the file as a whole."""

    blocks: tuple[Key | Certificate, ...] = ()
    problem: str = ""


class Server(NamedTuple):
    """The address of a program that Postfix queries: the *path* of a unix socket, or a *host* and a *port*."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


RESOLVER = Server(port=53)
"""The name server of resolv.conf(5); it counts as answering when it validates DNSSEC."""


class Mentioned(NamedTuple):
    """Names in a desired state that need facts of the host: files, of these the PEM files, servers, and addresses."""

    paths: frozenset[str] = frozenset()
    pems: frozenset[str] = frozenset()
    servers: frozenset[Server] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The state of this host now.

    *parameters* maps every parameter of this Postfix to its default. *programs* are the files in daemon_directory,
    *ports* come from services(5), and *packages* maps package names to versions. The other mappings cover the names in
    the desired state: *files* tells whether a file can be read, *pems* gives its contents, *answers* gives the reason
    why a server does not answer, or "", and *names* gives the host names that resolve to an address, or None.
    *reserved* are the folders and files of reconciler's own that only root may read.
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
    reserved: tuple[str, ...] = ()

    @property
    def compiled_type(self) -> str:
        """Return the type for tables that features make: lmdb if this Postfix supports it, else hash."""
        return "lmdb" if "lmdb" in self.map_types else "hash"
