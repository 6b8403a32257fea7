"""The record of what Postfix has in its memory: files that a process reads only at its start, by their digests.

Raises OSError as the kernel gives it; a record that is missing or unreadable is an empty one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from reconciler.state.phases import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.state.generations import Generations


class Loaded(NamedTuple):
    """Digests by path: of the files in Postfix's memory, and of the files that were reported not to load (*told*).

    *tables* are the tables and lists that were there when Postfix read its configuration.
    """

    loaded: Mapping[str, str]
    told: Mapping[str, str]
    tables: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The tables and lists, and the files that were there."""
        return (*self.tables, *(path for path, digest in self.loaded.items() if digest))


def recorded(generations: Generations) -> Loaded:
    """Return the record."""
    try:
        data = json.loads(_file(generations).read_text())
        return Loaded(dict(data["loaded"]), dict(data["told"]), tuple(data.get("tables", ())))
    except (OSError, AttributeError, *DAMAGED):
        return Loaded({}, {})


def record(edges: Edges, loaded: Loaded) -> None:
    """Write the record, if it has changed."""
    if loaded != recorded(edges.generations):
        edges.host.replace(_file(edges.generations), json.dumps(loaded._asdict()).encode())


def _file(generations: Generations) -> Path:
    return generations.private / "certificates.json"
