"""The tables of a commit that are on servers: what describes them is apart from the tables whose rows the commit has.

Pure; raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.features.databases import Definition, Definitions
from reconciler.model import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Where

AnyTable = Table | Definition


def own(found: Iterable[AnyTable]) -> dict[str, Table]:
    """Return the tables whose rows the commit has, by name."""
    return {table.name: table for table in found if isinstance(table, Table)}


def section(found: Iterable[AnyTable]) -> dict[type, object]:
    """Return the section of the tables on servers."""
    return {Definitions: Definitions(tuple(one for one in found if isinstance(one, Definition)))}


def secrets(found: Iterable[AnyTable]) -> Iterator[tuple[Where, str]]:
    """Yield the names of secrets in the descriptions, each with its place."""
    for one in (one for one in found if isinstance(one, Definition)):
        for name, secret in one.secrets.items():
            setting = one.settings.get(name)
            yield setting.where if setting else one.where, secret


def files(table: AnyTable) -> list[str]:
    """Return the files of the commit that make a table."""
    pieces = table.pieces if isinstance(table, Table) else ()
    return [path for _, path in pieces] or [table.file]
