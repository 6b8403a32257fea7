"""Make the map of a table in a stage from the live one: a copy of it, with the keys that changed set and deleted.

To compile a table of a million entries takes seconds, to copy its map and to set one key a fraction of one. The copy is
in the stage: whatever ends the process, the live map stays as it is, and the stage goes.

Promises: a map that was changed has as many entries as its source, and answers for each key that changed as the source
says; so it equals one that was compiled (below). In every other case it is removed, and compiled. Raises what a program
or the kernel raises.

Why the number of entries is enough: the map has no key that the new source lacks, for a line that went took its key
along. With as many entries as the source has lines, no key of the source is missing, and none is there twice. A key
whose line did not change has the value of that line, for the live map was made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.programs import postmap
from reconciler.model.ascii_text import SPACE, split_words
from reconciler.postfix.table_changes import changed
from reconciler.postfix.table_parts import entry_count, is_plain_throughout
from reconciler.postfix.tables import entry_lines, is_plain
from reconciler.state.manifest import compiled_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reconciler.model import File, Table
    from reconciler.state.live_files import LiveFiles

SMALLEST = 1 << 18
"""A source of fewer bytes is compiled as fast as its map is changed."""
SHARE = 16
"""If more than this part of a source changed, its map is compiled."""
_PARTS = 2  # a key and a value


class KeyChanges(NamedTuple):
    """The entries to set, each as a line of the new source with its key and value, and the keys to delete."""

    lines: tuple[bytes, ...]
    values: dict[str, str]
    deleted: tuple[str, ...]


def made_from_live(table: Table, source: File, maps: LiveFiles, folder: Path) -> bool:
    """Make the map of a table in *folder*, where its source lies, from the live one; return False if it can't be."""
    if maps.is_of(table.name, source):
        return maps.copy_map(table.name, source, folder)
    if table.compiler != "postmap" or table.type not in postmap.CHANGEABLE or len(table.source) < SMALLEST:
        return False
    before = maps.source_of(table.name, source)
    changes = key_changes(before, table) if before is not None else None
    if changes is None or not maps.copy_map(table.name, source, folder):
        return False
    if postmap.change(maps.host, folder, table, changes.lines, changes.deleted) and _is_right(
        table, changes, maps, folder
    ):
        return True
    maps.host.remove(folder / compiled_name(table.name, source))
    return False


def key_changes(before: bytes, table: Table) -> KeyChanges | None:
    """Return what changes the map of the source *before* into that of a table; None if it is better compiled.

    That is so where much changed, where lines are continued or keys quoted, and where a line is not plain ASCII, whose
    case Postfix folds as its settings say.
    """
    if not is_plain_throughout(table):
        return None
    lines = changed(before, table.source, max(len(before), len(table.source)) // SHARE)
    if lines is None or not is_plain(b"\n".join(lines.removed)):
        return None
    removed, added = (tuple(entry_lines(b"\n".join(side))) for side in lines)
    if not all(line.isascii() for line in (*removed, *added)):
        return None
    old, new = _entries(removed), _entries(added)
    if old is None or new is None or len(new) != len(added):
        return None
    return KeyChanges(added, new, tuple(key for key in old if key not in new))


def _entries(lines: Iterable[bytes]) -> dict[str, str] | None:
    """Return the values of lines by their keys, folded as postmap(1) does; None if one has no value."""
    split = [split_words(line.decode("ascii"), 1) for line in lines]
    if any(len(words) != _PARTS for words in split):
        return None
    return {words[0].lower(): words[1].rstrip(SPACE) for words in split}


def _is_right(table: Table, changes: KeyChanges, maps: LiveFiles, folder: Path) -> bool:
    """Return whether a map has as many entries as its source, and answers for what changed as the source says."""
    if postmap.count(maps.host, folder, table) != entry_count(table):
        return False
    asked = (*changes.values, *changes.deleted)
    return not asked or postmap.look_up(maps.host, folder, table, asked) == changes.values
