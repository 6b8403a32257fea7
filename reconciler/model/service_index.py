"""The services of a contribution in order, and by what rules ask for: of thousands, a rule looks at a few.

Each index is made when it is asked for first. Raises nothing.
"""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.model.postfix import Service


class ServiceIndex:
    """Services by their programs and types; all of it is in the order of master.cf."""

    def __init__(self, services: Iterable[Service | None]) -> None:
        self.entries: tuple[Service, ...] = tuple(filter(None, services))

    @cached_property
    def by_program(self) -> Mapping[str, Sequence[Service]]:
        """The services by the commands that they run."""
        return self._by(attrgetter("command"))

    @cached_property
    def by_type(self) -> Mapping[str, Sequence[Service]]:
        """The services by their types."""
        return self._by(attrgetter("type"))

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all services."""
        return frozenset(map(attrgetter("name"), self.entries))

    @cached_property
    def socket_names(self) -> frozenset[str]:
        """The names of the services that listen on a socket below the queue_directory."""
        return frozenset(one.name for kind, found in self.by_type.items() if kind != "inet" for one in found)

    def _by(self, key: attrgetter[str]) -> Mapping[str, Sequence[Service]]:
        found: dict[str, list[Service]] = {}
        for name, service in zip(map(key, self.entries), self.entries, strict=True):
            found.setdefault(name, []).append(service)
        return found
