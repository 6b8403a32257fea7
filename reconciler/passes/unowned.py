"""Recognise files of a host that are as the desired state wants them although reconciler has not written them.

main.cf and master.cf with comments and blanks of their own mean the same; a table that Postfix compiled itself has the
very rows of its source. Both then need no change, and adoption takes them over as they are.

Promises: reads only; a table is compiled in a folder of its own. Raises OSError, and CommandFailed for a
program that hangs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.features import stock
from reconciler.host.programs import postmap
from reconciler.state.generations import ADOPTED_FILES
from reconciler.state.manifest import digest
from reconciler.trees.as_found import as_found

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Desired, File, Tree
    from reconciler.state.generations import Generations
    from reconciler.state.manifest import Generation


def recognised(
    desired: Desired, target: Tree, on_disk: Tree, live: Generation | None, edges: Edges
) -> tuple[Tree, Tree]:
    """Return *target* and *on_disk*, equal where nothing needs to change."""
    if stock.is_left_out(desired):
        target = as_found(target, _found(on_disk, live, edges))
    if live is None:
        same = {path: target[path] for path in target if _is_same(path, target[path], on_disk.get(path), edges)}
        on_disk = {**on_disk, **same}
    return target, on_disk


def _found(on_disk: Tree, live: Generation | None, edges: Edges) -> Tree:
    """Return the files that are there, or after adoption those that were adopted, until a commit changes them."""
    if live is None:
        return on_disk
    adopted = {name: as_adopted(name, live, edges.generations) for name in ADOPTED_FILES}
    return {name: file for name, file in adopted.items() if file}


def as_adopted(path: str, live: Generation, generations: Generations) -> File | None:
    """Return the host's own file from before adoption, if it is still the one that the manifest records."""
    record, original = live.files.get(path), generations.original
    if record and original and (original / path).is_file() and digest(original / path) == record.sha256:
        return record.read_from(original / path)
    return None


def _is_same(path: str, wanted: File, there: File | None, edges: Edges) -> bool:
    """Return whether the source of a table, and the map that Postfix reads, are what the commit would write."""
    if not wanted.compiled or there is None or there.compiled or replace(there, compiled=wanted.compiled) != wanted:
        return False
    compiler, _, kind = wanted.compiled.partition(" ")
    return not postmap.difference(edges.host, edges.settings.config_directory / path, kind, compiler)
