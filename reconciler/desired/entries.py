"""The sections whose entries are files, such as sites: what was found valid before is neither read nor judged again.

Of thousands of files, a push changes one: the others come from memory with the value that the schema made of them
(yaml_memory.py). Pure. Raises what yaml_memory.py raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired import layout, yaml_memory
from reconciler.features.section import SectionValue
from reconciler.model import Finding, Tree, Where, error_at

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.desired.budget import Budget
    from reconciler.desired.yaml_memory import KnownEntry
    from reconciler.desired.yaml_reader import Document, Path
    from reconciler.model import Allowance, File


class Grafted(NamedTuple):
    """What was added to these sections: entries that are *known* to be valid, and the *read* files of the others.

    The others may have *allowances*.
    """

    known: Mapping[Path, tuple[str, KnownEntry]]
    read: Mapping[Path, tuple[str, File]]
    allowances: tuple[Allowance, ...]

    def keep(self, sections: Mapping[str, object], odd: Collection[Path]) -> Mapping[Path, tuple[str, KnownEntry]]:
        """Keep what the schemas made of the files that were read, in all of which nothing was found; return all known.

        The *odd* ones hold a null, or the name of a secret, which is looked for in each commit.
        """
        known = dict(self.known)
        for entry, (path, file) in self.read.items():
            section = sections.get(entry[0])
            if entry in odd or not isinstance(section, SectionValue):
                continue
            if kept := yaml_memory.keep_valid(entry[0], file, section.root[entry[1]]):
                known[entry] = path, kept
        return known


def graft(
    merged: Document, entries: Mapping[Path, str], files: Tree, findings: list[Finding], budget: Budget
) -> Grafted:
    """Add the entries to their sections in the order of their files, by which they are given; hold one at a time."""
    refuse(merged, findings)
    found = yaml_memory.valid(entries, files, budget)
    known = {entry: (entries[entry], one) for entry, one in found.items()}
    values: dict[Path, object] = {entry: one.value for entry, one in found.items()}
    read = {entry: (path, files[path]) for entry, path in entries.items() if entry not in found}
    allowances: list[Allowance] = []
    for entry, (path, file) in read.items():
        document = yaml_memory.read(path, file, findings, budget)
        _adopt(merged, entry, path, document)
        allowances += document.allowances
        values[entry] = document.value
    for entry in entries:
        merged.value.setdefault(entry[0], {})[entry[1]] = values[entry]
    return Grafted(known, read, tuple(allowances))


def refuse(merged: Document, findings: list[Finding]) -> None:
    """Report and drop what is written in these sections elsewhere."""
    for section, where_to_write in layout.ENTRIES.items():
        if where := merged.keys.get((section,)):
            findings.append(error_at("unknown-key", where, where_to_write, section))
            merged.forget((section,), merged.value.pop(section))


def _adopt(merged: Document, entry: Path, path: str, document: Document) -> None:
    """Adopt the places of a document as those of an entry."""
    merged.places[entry] = merged.keys[entry] = Where(path)
    for place, where in document.places.items():
        merged.places[entry + place] = where
    for place, where in document.keys.items():
        merged.keys[entry + place] = where
