"""The facts of this host as values for the rules: listeners, certificates, servers and more.

All values are frozen and compare by their contents. This module performs no I/O and raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import is_digits
from reconciler.model.past import Past, PastInAPass
from reconciler.model.secret import Secret  # noqa: TC001 - pydantic reads it in host/facts_file.py

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network

    Interfaces = tuple["Interface", ...]
    ByText = Mapping[str, IPv4Address | IPv6Address]


_SOON = 21  # days
_texts: Past[tuple[Interfaces, ByText]] = Past(2)
"""By the place in memory of the addresses, which stay as long as they are in here."""
_own: PastInAPass[frozenset[IPv4Address | IPv6Address]] = PastInAPass(2)


class Interface(NamedTuple):
    """An address of this host, and the length of its network's prefix.

    A host may have thousands, and an interface of ipaddress takes ten times the memory.
    """

    ip: IPv4Address | IPv6Address
    prefixlen: int

    @classmethod
    def of(cls, text: str) -> Interface:
        """Read ``ADDRESS/PREFIX``; raise ValueError for anything else."""
        read = ip_interface(text)
        return cls(read.ip, read.network.prefixlen)

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """The network that the address is in."""
        return ip_network((self.ip, self.prefixlen), strict=False)

    def __str__(self) -> str:
        return f"{self.ip}/{self.prefixlen}"


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

    def validity(self, path: str) -> tuple[str, bool]:
        """Return what is wrong with its dates, empty if nothing is, and whether it is invalid today."""
        shown = f'the certificate "{self.names[0] if self.names else ""}" in "{path}"'
        if not self.begun:
            return f"{shown} is not valid yet", True
        if self.days < 0:
            return f"{shown} expired {_days(-self.days - 1)} ago", True
        return (f"{shown} expires in {_days(self.days)}" if self.days < _SOON else ""), False


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}" if number else "less than a day"


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


class PlaceUse(StrEnum):
    """The use of a place: a *folder* or a *file* to write, either of which may be made, or a folder to pass through."""

    FOLDER = "folder"
    FILE = "file"
    PASSAGE = "passage"


class Place(NamedTuple):
    """A *path* of the host, and the *use* that a *user* makes of it; an empty user stands for every user."""

    path: str
    user: str
    use: PlaceUse


RESOLVER = Server(port=53)
"""The name server of resolv.conf(5); it counts as answering when it validates DNSSEC."""


class AccessKind(StrEnum):
    """How a file is used: READ or RUN it, WRITE to what is there, APPEND to it or make it, MAKE a folder of mail."""

    READ = "read"
    RUN = "run"
    WRITE = "write"
    APPEND = "append"
    MAKE = "make"


class Access(NamedTuple):
    """What a user does with a path.

    *user* is ``NAME`` with all its groups, ``NAME:`` with its own group alone, or ``NAME:GROUP``; both may be numbers.
    """

    path: str
    user: str
    kind: AccessKind


class Space(NamedTuple):
    """The bytes that must be free for users other than root in the file system of a folder."""

    folder: str
    bytes: int


class Lookup(NamedTuple):
    """A look-up of a key in a table on a server, ``TYPE:NAME``, as that user.

    *jail* is the folder that is the root of the program which asks; empty if none is. *description* is what the commit
    has in the file that describes the table, which this host has not, or not yet.
    """

    table: str
    key: str
    user: str
    jail: str = ""
    description: Secret | None = None


class Mentioned(NamedTuple):
    """Names in a desired state that need facts of the host: files, of these the PEM files, servers, and addresses.

    *accesses* are what Postfix's users do with files, *spaces* what must be free for mail, *lookups* those that
    servers must answer, *hosts* the names of which the addresses count, *resolvers* the lists of name servers, and
    *places* what the next start needs.
    """

    paths: frozenset[str] = frozenset()
    pems: frozenset[str] = frozenset()
    servers: frozenset[Server] = frozenset()
    addresses: frozenset[str] = frozenset()
    accesses: frozenset[Access] = frozenset()
    spaces: frozenset[Space] = frozenset()
    lookups: frozenset[Lookup] = frozenset()
    hosts: frozenset[str] = frozenset()
    resolvers: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()


class OtherInstance(NamedTuple):
    """Another Postfix instance on this host, as its main.cf describes it (postmulti(1)).

    *directory* is that of its configuration, *queue* and *data* are its own folders, *name* is empty for the default
    instance and *tag* begins its lines in the mail log. It is *enabled* if it starts with the default instance, and
    *listed* if the default instance names it.
    """

    directory: str
    name: str
    queue: str
    data: str
    tag: str
    enabled: bool = True
    listed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The state of this host now.

    *parameters* maps every parameter of this Postfix to its default. *programs* are the files in daemon_directory,
    *reads* maps a program to the parameters that it reads (a program that is not there is unknown), and *unsaid* are
    the words of newer versions that no program of this Postfix knows.
    *ports* come from services(5), and *packages* maps package names to versions. The other mappings cover the names in
    the desired state: *files* tells whether a file can be read, *pems* gives its contents, *answers* gives the reason
    why a server does not answer, or "", and *names* gives the host names that resolve to an address, or None. *places*
    gives the reason why a user can't use a place, or "".
    *reserved* are the folders and files of reconciler's own that only root may read. *accesses*, *spaces* and *lookups*
    give the reason why something fails, "" if it works, or None if that is unknown. *hosts* gives the addresses of a
    name as the C library finds them, or None, and *resolvers* the name servers in a file, or None if it is missing.
    *instances* are the other Postfix instances of this host. *is_default* is true if the managed one is that which
    Postfix's programs use when none is named, and *is_listed* if that one is to start it.
    *folders* are those outside of Postfix's folder that the settings allow links in to files of a commit.
    *own* are the *addresses* without their networks, to look them up. Without *groups*, they are unknown.
    """

    host: str
    version: str
    parameters: Mapping[str, str]
    map_types: frozenset[str]
    programs: frozenset[str]
    addresses: Interfaces
    users: frozenset[str]
    ports: Mapping[str, int]
    listeners: tuple[Listener, ...]
    files: Mapping[str, bool] = field(default_factory=dict)
    pems: Mapping[str, Pem] = field(default_factory=dict)
    answers: Mapping[Server, str | None] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    places: Mapping[Place, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    reserved: tuple[str, ...] = ()
    accesses: Mapping[Access, str | None] = field(default_factory=dict)
    spaces: Mapping[Space, str | None] = field(default_factory=dict)
    lookups: Mapping[Lookup, str | None] = field(default_factory=dict)
    hosts: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    resolvers: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    reads: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unsaid: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    instances: tuple[OtherInstance, ...] = ()
    is_default: bool = True
    is_listed: bool = True
    folders: tuple[str, ...] = ()

    @property
    def own(self) -> frozenset[IPv4Address | IPv6Address]:
        """Return the addresses without their prefixes; of the same addresses, they are made once in a pass."""
        return _own.of((self.addresses,), lambda: frozenset(self.own_by_text.values()))

    @property
    def own_by_text(self) -> ByText:
        """Return the same by their texts, as by_text() does."""
        return by_text(self.addresses)

    @property
    def directory(self) -> str:
        """Return the configuration directory of the managed Postfix."""
        return self.parameters.get("config_directory", "/etc/postfix")

    @property
    def compiled_type(self) -> str:
        """Return the type for tables that features make: lmdb if this Postfix supports it, else hash."""
        return "lmdb" if "lmdb" in self.map_types else "hash"

    @property
    def release(self) -> tuple[int, ...]:
        """Return the numbers of the version that its features come with: (3, 7) for ``3.7.11``."""
        numbers = self.version.split("-", maxsplit=1)[0].split(".")[:2]
        return tuple(int(number) for number in numbers if is_digits(number))


def by_text(addresses: Interfaces) -> ByText:
    """Return addresses without their prefixes by their texts, in their order.

    A host of many sites has thousands, and to write them out takes milliseconds: it is done once for the same value.
    """
    known = _texts.used(id(addresses))
    if known is None:
        bare = [one.ip for one in addresses]
        known = addresses, {str(one): one for one in bare}
        _texts.keep(id(addresses), known)
    return known[1]
