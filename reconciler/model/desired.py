"""What people asked for, and what features make of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from reconciler.model.finding import Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.facts import Server
    from reconciler.model.finding import Allowance, Finding
    from reconciler.model.postfix import Parameter, Service, Table
    from reconciler.model.tree import File

T = TypeVar("T")


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
        """Return the section of that schema, or None when it was not written."""
        value = self.sections.get(schema)
        return value if isinstance(value, schema) else None

    def where(self, *path: str) -> Where:
        """Where that key was written; a key that was not written is where its nearest parent is."""
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
