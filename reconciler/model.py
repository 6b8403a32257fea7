"""The words: every value that travels between the stages, and nothing that does anything. Raises nothing of its own.

All values are frozen. Nothing here performs I/O: a File carries a function that reads it, called only when needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datetime import datetime
    from ipaddress import IPv4Interface, IPv6Interface

    from reconciler.allow import Allowance
    from reconciler.circumstances import Listener, Pem, Server

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit of the watched branch; *oid* is its full hexadecimal name, *tree* that of its tree.

    *trailers* are the lines of its message that read ``Name: value`` (git-interpret-trailers(1)).
    """

    oid: str
    tree: str
    author: str
    subject: str
    committed_at: datetime
    trailers: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The first seven digits, as git prints them."""
        return self.oid[:7]


def printable(text: str) -> str:
    """The text on one line, so that no name or value can play tricks with a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text)


class Severity(StrEnum):
    """Whether a finding refuses the commit."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in the desired state; lines and columns count from 1, and a whole file is line 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong (error) or doubtful (warning).

    *lasting*: it follows from the commit and the installed Postfix alone, not from addresses, ports, files, users or
    running services. *subject*: what it is about, the same on whichever line of another commit it stands.
    """

    rule: str
    where: Where
    text: str
    subject: str
    severity: Severity = Severity.ERROR
    lasting: bool = True

    def __str__(self) -> str:
        mark = "" if self.severity is Severity.ERROR else "warning: "
        return printable(f"{self.where}: {mark}{self.text}")

    @property
    def is_error(self) -> bool:
        """Whether it refuses the commit."""
        return self.severity is Severity.ERROR

    def as_warning(self, reason: str) -> Finding:
        """The same finding, reported instead of refused, and why."""
        return replace(self, severity=Severity.WARNING, text=f"{self.text} ({reason})")


def errors_in(findings: tuple[Finding, ...] | list[Finding]) -> list[Finding]:
    """The findings that refuse a commit."""
    return [finding for finding in findings if finding.is_error]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One main.cf parameter: its value as the text Postfix reads, and who said so (*section* of the desired state)."""

    name: str
    value: str
    where: Where
    section: str = "parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One master.cf entry, in master(5)'s own fields; ``-`` stands for Postfix's default of a field.

    *overrides* are its ``-o name=value`` options; *arguments* everything else after the command.
    """

    name: str
    type: str
    private: str = "-"
    unprivileged: str = "-"
    chroot: str = "n"
    wakeup: str = "-"
    maxproc: str = "-"
    command: str
    arguments: tuple[str, ...] = ()
    overrides: tuple[Parameter, ...] = ()
    where: Where

    @property
    def key(self) -> str:
        """How Postfix tells services apart, and how ``postconf -M`` names one: ``smtp/inet``."""
        return f"{self.name}/{self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A Postfix table as source text; parsed only by those who need its entries.

    *compiler* (``postmap``, ``postalias``) is empty for types that Postfix reads as text; *mode* is the map's too.
    *pieces* are the first line and the file of each of several that made it.
    """

    name: str
    type: str
    source: bytes
    file: str
    compiler: str = ""
    mode: int = 0o644
    pieces: tuple[tuple[int, str], ...] = ()

    @property
    def where(self) -> Where:
        """The table as a whole."""
        return Where(self.file)

    def at(self, line: int) -> Where:
        """Where a line of its source was written."""
        first, file = next((piece for piece in reversed(self.pieces) if piece[0] <= line), (1, self.file))
        return Where(file, line - first + 1)

    @property
    def reference(self) -> str:
        """How a parameter names this table: the same bytes hold in staging and live."""
        return f"{self.type}:$config_directory/{self.name}"


@dataclass(frozen=True, slots=True)
class SecretName:
    """``!secret NAME`` as it stands in YAML: the name of a file secrets/NAME.age."""

    name: str


@dataclass(frozen=True, slots=True)
class Secret:
    """An opened secret. Its value shows in no representation; its digest may."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What people asked for, validated: *sections* of mail.yaml by their schema, *places* of each key."""

    sections: Mapping[type, object]
    tables: Mapping[str, Table]
    services: tuple[Service, ...]
    secrets: Mapping[str, Secret]
    places: Mapping[tuple[str, ...], Where]
    findings: tuple[Finding, ...] = ()
    allowances: tuple[Allowance, ...] = ()

    def section(self, schema: type[T]) -> T | None:
        """The section of that schema, or None when nobody wrote it."""
        value = self.sections.get(schema)
        return value if isinstance(value, schema) else None

    def where(self, *path: str) -> Where:
        """Where that key was written; a key that nobody wrote is where its nearest parent is."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Where("mail.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A program beside Postfix that is managed with it: its *files* by path in a folder of its own.

    *servers* is where Postfix will find it; *name* is the Debian package's too.
    """

    name: str
    files: Mapping[str, File]
    servers: tuple[Server, ...] = ()
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one feature, or all of them merged, adds to the target: by name, each with its origin.

    A service that is None takes away the one of that name from the features below.
    """

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    services: Mapping[str, Service | None] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    companions: Mapping[str, Companion] = field(default_factory=dict)

    def over(self, below: Contribution) -> Contribution:
        """Both merged, where this one prevails; what is taken away is gone."""
        services = {**below.services, **self.services}
        return Contribution(
            parameters={**below.parameters, **self.parameters},
            services={key: service for key, service in services.items() if service},
            tables={**below.tables, **self.tables},
            companions={**below.companions, **self.companions},
        )

    @property
    def entries(self) -> list[Service]:
        """The services that are there, in master.cf's order."""
        return [service for service in self.services.values() if service]


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


@dataclass(frozen=True, slots=True)
class File:
    """A file as a value: equal when digest, mode, owner and compiler are; *read* fetches its bytes when needed.

    *digest* is sha256 in hexadecimal, *owner* ``user:group``, *compiled* ``postmap lmdb`` or the like for a source.
    """

    digest: str
    mode: int
    owner: str
    read: Callable[[], bytes] = field(compare=False, repr=False)
    compiled: str = ""

    @classmethod
    def of(cls, content: bytes, mode: int = 0o644, owner: str = "root:root", compiled: str = "") -> File:
        """The file with that content."""
        return cls(hashlib.sha256(content).hexdigest(), mode, owner, lambda: content, compiled)

    def lines(self) -> list[str]:
        """Its text by lines; bytes that are not UTF-8 survive a round trip."""
        return self.read().decode("utf-8", "surrogateescape").splitlines()


Tree = Mapping[str, File]
BESIDE = "../"  # what the path of a companion's file begins with in a Tree, whose root is Postfix's folder


class Kind(StrEnum):
    """What a change is about."""

    PARAMETER = "parameter"
    SERVICE = "service"
    ENTRY = "entry"
    TABLE = "table"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference in the words of mail: *before* or *after* is None for what comes or goes.

    *within* names the table of an entry; *where* is its origin in the desired state, if it has one.
    """

    kind: Kind
    what: str
    before: str | None
    after: str | None
    within: str = ""
    where: Where | None = None


class Activation(StrEnum):
    """What a running Postfix needs to take over a new generation, weakest first."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RESTART = "restart"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The difference between two trees and the activations it needs, in order."""

    live: Tree
    target: Tree
    changes: tuple[Change, ...]
    steps: tuple[Activation, ...]

    @property
    def empty(self) -> bool:
        """Whether live is the target already."""
        return not self.changes


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Live was the target already."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The target is live and answers."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changed: the findings say why."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """It went live, did not answer, and the old generation is back."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The undo failed as well: a person must look."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Postponed:
    """Our own trouble: tried again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """A later commit came first; *by* is its oid."""

    by: str


Outcome = Unchanged | Applied | Refused | RolledBack | Broken | Postponed | Superseded
