"""The desired state as values, and the contributions that features derive from it. Raises nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import filterfalse, islice
from typing import TYPE_CHECKING, TypeVar

from reconciler.model.finding import UNWRITTEN, Where
from reconciler.model.past import PastInAPass
from reconciler.model.service_index import ServiceIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.deployed_file import DeployedFile
    from reconciler.model.facts import Server
    from reconciler.model.finding import Allowance, Finding
    from reconciler.model.postfix import Parameter, Service, Table
    from reconciler.model.secret import Secret
    from reconciler.model.tree import File

T = TypeVar("T")
_distinct: PastInAPass[tuple[Service, ...]] = PastInAPass(4)
"""By services and the keys of those that are alike."""
_indexes: PastInAPass[ServiceIndex] = PastInAPass(8)


@dataclass(frozen=True, slots=True)
class SecretName:
    """The tag ``!secret NAME`` as written in YAML; it names the file secrets/NAME.age."""

    name: str


class RememberedPlaces(Mapping[tuple[str, ...], Where]):
    """Places of which some were read for an earlier commit."""

    @abstractmethod
    def origins(self, section: str, names: Iterable[str]) -> list[object | None]:
        """Return for each entry of a section what it was read from for another commit; None if it is this one's own.

        The very same object means the same places, in a file that the entry names.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The validated desired state: *sections* of mail.yaml by their schema, and the *places* of its keys.

    *needed* are the names of the secrets that its sections refer to, whether or not they could be opened.
    """

    sections: Mapping[type, object]
    tables: Mapping[str, Table]
    services: tuple[Service, ...]
    secrets: Mapping[str, Secret]
    places: Mapping[tuple[str, ...], Where]
    findings: tuple[Finding, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    needed: frozenset[str] = frozenset()

    def section(self, schema: type[T]) -> T | None:
        """Return the section of that schema, or None when mail.yaml does not have it."""
        value = self.sections.get(schema)
        return value if isinstance(value, schema) else None

    def where(self, *path: str) -> Where:
        """Return the place of a key, or the place of its nearest parent if the key is not written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return UNWRITTEN

    def origins(self, section: str, names: Iterable[str]) -> list[object | None]:
        """Return for each entry of a section what it was read from for an earlier commit, or None."""
        if isinstance(self.places, RememberedPlaces):
            return self.places.origins(section, names)
        return [None for _ in names]

    @property
    def home(self) -> Where:
        """The place where one would write what is written nowhere: parameters, services, or else the first key."""
        keys = [("parameters",), ("services",), *islice(self.places, 1)]
        return next((place for key in keys if (place := self.places.get(key))), UNWRITTEN)

    def at_home(self, finding: Finding) -> Finding:
        """Return a finding about what is written nowhere, such as a default, at the place where one would write it."""
        return replace(finding, where=self.home) if finding.where == UNWRITTEN else finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A program beside Postfix that reconciler manages with it; *files* are in its own folder, by path.

    *servers* are the sockets on which Postfix reaches it; *name* is also the name of the Debian package. *places* are
    those of words in its files that have a place of their own, such as a domain in a list.
    """

    name: str
    files: Mapping[str, File]
    servers: tuple[Server, ...] = ()
    where: Where
    places: Mapping[str, Where] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """The items that one feature, or all features merged, adds to the target; by name, each with its origin.

    *files* are those that Postfix's folder gets as they are, by their paths. A service of None removes the service of
    that name which features below contribute. *master* is the text of master.cf to the byte, for as long as its
    services are those of the text. *alike* are the keys of services that need not be judged one by one, because they
    are like another one (postfix/alike.py).
    """

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    services: Mapping[str, Service | None] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    companions: Mapping[str, Companion] = field(default_factory=dict)
    files: Mapping[str, DeployedFile] = field(default_factory=dict)
    master: bytes = b""
    alike: frozenset[str] = frozenset()

    def over(self, below: Contribution) -> Contribution:
        """Return both merged, without removed services; this contribution takes precedence over *below*."""
        services = {**below.services, **self.services} if self.services else below.services
        return Contribution(
            parameters={**below.parameters, **self.parameters},
            services=services if all(services.values()) else {key: one for key, one in services.items() if one},
            tables={**below.tables, **self.tables},
            companions={**below.companions, **self.companions},
            files={**below.files, **self.files},
            master=self.master or below.master,
        )

    @property
    def index(self) -> ServiceIndex:
        """Return the services that are not removed, in the order of master.cf, with their indexes."""
        return _indexes.of((self.services,), lambda: ServiceIndex(self.services.values()))

    @property
    def entries(self) -> tuple[Service, ...]:
        """Return the services that are not removed, in the order of master.cf."""
        return self.index.entries

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the services that are not removed."""
        return self.index.names

    def running(self, command: str) -> Sequence[Service]:
        """Return the services that run a program, in the order of master.cf."""
        return self.index.by_program.get(command, ())

    def of_type(self, kind: str) -> Sequence[Service]:
        """Return the services of a type, in the order of master.cf."""
        return self.index.by_type.get(kind, ())

    @property
    def distinct(self) -> tuple[Service, ...]:
        """Return those of the services of which none before is like them, for what has nothing to do with names."""
        if not self.alike:
            return self.entries
        keys = filterfalse(self.alike.__contains__, self.services)
        found = filter(None, map(self.services.get, keys))
        return _distinct.of((self.services, self.alike), lambda: tuple(found))
