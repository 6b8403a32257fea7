"""Read what is live from its own files, where no commit says what it was made from: before adoption, after a rescue.

Its faults are found by the same rules as those of a commit. Reads only; raises OSError.

Known limits: it has no sections, so the rules of features find nothing; tables outside the configuration directory, and
those that only an option of a service names with another type, are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Contribution, Desired, Table, limits
from reconciler.postfix.references import SUFFIXES, own_name, tables_of
from reconciler.postfix.scopes import scopes
from reconciler.trees.gained import settings_of
from reconciler.trees.plan import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.model import Facts, Tree
    from reconciler.postfix.references import Reference


def inherited(edges: Edges, facts: Facts, tree: Tree | None = None) -> tuple[Desired, Contribution]:
    """Return the settings, services and tables that Postfix reads now, or those of *tree*, as a commit brings them."""
    tree = edges.generations.read() if tree is None else tree
    if MAIN not in tree:
        raise FileNotFoundError(MAIN)  # nothing is live, so it has no faults that could excuse others
    settings = settings_of(tree)
    known = {table.name: table for table in _tables(settings, facts, edges.settings.config_directory)}
    desired = Desired(sections={}, tables=known, services=(), secrets={}, places={})
    return desired, Contribution(parameters=settings.parameters, services=settings.services, tables=known)


def _tables(settings: Contribution, facts: Facts, directory: Path) -> Iterator[Table]:
    """Yield the tables of the configuration directory whose source and map are there."""
    for scope in scopes(settings, facts):
        for parameter in scope.written:
            for reference in tables_of(scope, parameter):
                name = own_name(reference.name, facts.directory)
                if name and reference.type in SUFFIXES and _is_there(directory, name, reference.type):
                    yield _table(name, reference, parameter.name, directory / name)


def _is_there(directory: Path, name: str, kind: str) -> bool:
    """Return whether the source of a table is there, and what Postfix reads of it."""
    return all((directory / f"{name}{suffix}").is_file() for suffix in ("", *SUFFIXES[kind]))


def _table(name: str, reference: Reference, parameter: str, path: Path) -> Table:
    compiler = "postalias" if parameter in {"alias_maps", "alias_database"} else "postmap"
    with path.open("rb") as stream:
        source = stream.read(limits.BYTES)
    return Table(
        name=name, type=reference.type, source=source, file=name,
        compiler=compiler if SUFFIXES[reference.type] != ("",) else "", mode=path.stat().st_mode & 0o7777,
    )  # fmt: skip
