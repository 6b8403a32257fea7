"""Publishing changes one zone: from the wanted records, those on the server, and those that reconciler made before.

Pure. It never removes or changes a record that reconciler did not make, nor its TTL. If such a record prevents a wanted
one, that is a conflict, which a person must resolve. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.features.dns.zone import Record, tag
from reconciler.model.ascii_text import split_words

if TYPE_CHECKING:
    from collections.abc import Iterable

BESIDE = ("A", "AAAA", "MX", "TXT")


class RRsetKey(NamedTuple):
    """The name and type of a set of records."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class RRset:
    """A set of records on a server: *data* maps the normal form to the form that the server sent."""

    ttl: int
    data: Mapping[str, str] = field(default_factory=dict)


Live = Mapping[RRsetKey, RRset]


@dataclass(frozen=True, slots=True)
class RRsetChange:
    """The change of one set of records, which must still be *before* when the change happens."""

    key: RRsetKey
    before: RRset
    add: tuple[Record, ...]
    remove: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """The changes of a zone; *ours* are the records that reconciler has made after them."""

    zone: str
    changes: tuple[RRsetChange, ...]
    conflicts: tuple[str, ...]
    ours: frozenset[Record]

    @property
    def empty(self) -> bool:
        """True if the zone needs no changes."""
        return not self.changes and not self.conflicts


def rrsets_to_query(zone: str, wanted: Iterable[Record], ours: Iterable[Record]) -> list[RRsetKey]:
    """Return the sets to ask a server for: with each name its CNAME, and all sets of a name that wants a CNAME."""
    records = [*wanted, *ours]
    keys = {RRsetKey(record.name, record.type) for record in records}
    beside = {RRsetKey(key.name, kind) for key in keys if key.type == "CNAME" for kind in BESIDE}
    names = {key.name for key in keys} | {split_words(record.data)[1] for record in records if record.type == "MX"}
    return sorted(keys | beside | {RRsetKey(name, "CNAME") for name in names if f".{name}".endswith(f".{zone}.")})


def publication(zone: str, wanted: Iterable[Record], ours: frozenset[Record], live: Live) -> Publication:
    """Return the changes that bring the zone from *live* to *wanted*; they remove only records of *ours*."""
    sets: dict[RRsetKey, list[Record]] = {RRsetKey(record.name, record.type): [] for record in sorted(ours)}
    for record in wanted:
        sets.setdefault(RRsetKey(record.name, record.type), []).append(record)
    changes, conflicts, made = [], list[str](), set[Record]()
    foreign = {key: _foreign(key, rrset, ours) for key, rrset in live.items()}
    for key, records in sorted(sets.items()):
        own = {record.data: record for record in ours if key == (record.name, record.type)}
        change, clashes, left = _set(key, records, own, live.get(key, RRset(0)), foreign)
        made |= left
        conflicts += clashes
        if change.add or change.remove:
            changes.append(change)
    return Publication(zone, tuple(changes), tuple(conflicts), frozenset(made))


def _foreign(key: RRsetKey, rrset: RRset, ours: frozenset[Record]) -> list[str]:
    """Return the data in a set that reconciler did not make."""
    return [data for data in rrset.data if Record(key.name, key.type, data) not in ours]


def _set(
    key: RRsetKey, wanted: list[Record], own: Mapping[str, Record], before: RRset, foreign: Mapping[RRsetKey, list[str]]
) -> tuple[RRsetChange, list[str], set[Record]]:
    """Return the change of a set; a set with records of another author keeps its TTL."""
    texts, shared = {record.data for record in wanted}, bool(foreign.get(key))
    clashes, add = list[str](), list[Record]()
    for record in wanted:
        others = _others(record, texts, foreign)
        clashes += [f"{record}: another author's {other} already exists" for other in others]
        if not others and record.data not in before.data and shared:
            # All records of a set have one TTL (RFC 2181, 5.2): another one here would change that of foreign ones.
            add.append(replace(record, ttl=before.ttl))
        elif not others and not shared and (record.data not in before.data or record.ttl != before.ttl):
            add.append(record)
    gone = tuple(record for data, record in own.items() if data in before.data and data not in texts)
    kept = {record for data, record in own.items() if data in before.data and data in texts}
    return RRsetChange(key, before, tuple(add), gone), clashes, kept | set(add)


def _others(record: Record, wanted: set[str], foreign: Mapping[RRsetKey, list[str]]) -> list[str]:
    """Return the records of other authors that can't exist beside the record."""
    same = [data for data in foreign.get(RRsetKey(record.name, record.type), ()) if data not in wanted]
    if record.type == "TXT":
        # A name may have many TXT records, but only one of each kind (SPF, DMARC): receivers ignore two SPF policies.
        kind = tag(record)
        same = [data for data in same if kind and tag(Record(record.name, "TXT", data)) == kind]
    beside = [RRsetKey(record.name, kind) for kind in (BESIDE if record.type == "CNAME" else ("CNAME",))]
    if record.type == "MX":
        beside.append(RRsetKey(split_words(record.data)[1], "CNAME"))  # servers refuse an MX that points to a CNAME
    others = [f"{key.type} {data}" for key in beside for data in foreign.get(key, ())]
    return [f"{record.type} {data}" for data in same] + others


def lines(publication: Publication) -> list[str]:
    """Return the changes, one record on each line, as plans show them."""
    shown = []
    for change in publication.changes:
        renewed = {record.data for record in change.add} & change.before.data.keys()
        shown += [f"  - {record}" for record in change.remove]
        shown += [f"  {'~' if record.data in renewed else '+'} {record}" for record in change.add]
    return shown + [f"  conflict: {text}" for text in publication.conflicts]
