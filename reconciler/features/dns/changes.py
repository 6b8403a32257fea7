"""What publishing means for one zone: the records wanted, those that are there, and those of them that we made.

Pure. A record that we did not make is never removed, changed or given another TTL: where it stands in the way of one
that is wanted, that is a conflict, and a person's to solve. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.features.dns.zone import Record, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

BESIDE = ("A", "AAAA", "MX", "TXT")


class RRsetKey(NamedTuple):
    """What names a set of records."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class RRset:
    """A set of records as a server has it: *data* by its normal form, as the server says it."""

    ttl: int
    data: Mapping[str, str] = field(default_factory=dict)


Live = Mapping[RRsetKey, RRset]


@dataclass(frozen=True, slots=True)
class RRsetChange:
    """What becomes of one set of records, which must be *before* when it happens."""

    key: RRsetKey
    before: RRset
    add: tuple[Record, ...]
    remove: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """What would be done in a zone; *ours* is what we have made when it was."""

    zone: str
    changes: tuple[RRsetChange, ...]
    conflicts: tuple[str, ...]
    ours: frozenset[Record]

    @property
    def empty(self) -> bool:
        """Whether the zone is as wanted."""
        return not self.changes and not self.conflicts


def rrsets_to_query(zone: str, wanted: Iterable[Record], ours: Iterable[Record]) -> list[RRsetKey]:
    """The sets that a server must be asked for: with each name its CNAME, and all of a name that wants one."""
    records = [*wanted, *ours]
    keys = {RRsetKey(record.name, record.type) for record in records}
    beside = {RRsetKey(key.name, kind) for key in keys if key.type == "CNAME" for kind in BESIDE}
    names = {key.name for key in keys} | {record.data.split()[1] for record in records if record.type == "MX"}
    return sorted(keys | beside | {RRsetKey(name, "CNAME") for name in names if f".{name}".endswith(f".{zone}.")})


def publication(zone: str, wanted: Iterable[Record], ours: frozenset[Record], live: Live) -> Publication:
    """What brings the zone from *live* to *wanted*, with nobody's records but *ours* removed."""
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
    """What is in a set that we did not make."""
    return [data for data in rrset.data if Record(key.name, key.type, data) not in ours]


def _set(
    key: RRsetKey, wanted: list[Record], own: Mapping[str, Record], before: RRset, foreign: Mapping[RRsetKey, list[str]]
) -> tuple[RRsetChange, list[str], set[Record]]:
    """What becomes of a set; where it holds somebody else's records, it keeps its TTL."""
    texts, shared = {record.data for record in wanted}, bool(foreign.get(key))
    clashes, add = list[str](), list[Record]()
    for record in wanted:
        others = _others(record, texts, foreign)
        clashes += [f"{record}: another author's {other} is there already" for other in others]
        if not others and record.data not in before.data and shared:
            # All records of a set have one TTL (RFC 2181, 5.2): another one here would change that of foreign ones.
            add.append(replace(record, ttl=before.ttl))
        elif not others and not shared and (record.data not in before.data or record.ttl != before.ttl):
            add.append(record)
    gone = tuple(record for data, record in own.items() if data in before.data and data not in texts)
    kept = {record for data, record in own.items() if data in before.data and data in texts}
    return RRsetChange(key, before, tuple(add), gone), clashes, kept | set(add)


def _others(record: Record, wanted: set[str], foreign: Mapping[RRsetKey, list[str]]) -> list[str]:
    """What somebody else made that can't stand beside the record."""
    same = [data for data in foreign.get(RRsetKey(record.name, record.type), ()) if data not in wanted]
    if record.type == "TXT":
        # A name may have many TXT records, but of each kind (SPF, DMARC, ...) one: two SPF policies count as none.
        kind = tag(record)
        same = [data for data in same if kind and tag(Record(record.name, "TXT", data)) == kind]
    beside = [RRsetKey(record.name, kind) for kind in (BESIDE if record.type == "CNAME" else ("CNAME",))]
    if record.type == "MX":
        beside.append(RRsetKey(record.data.split()[1], "CNAME"))  # no server takes an MX that leads to one
    others = [f"{key.type} {data}" for key in beside for data in foreign.get(key, ())]
    return [f"{record.type} {data}" for data in same] + others


def lines(publication: Publication) -> list[str]:
    """What would be done, a record a line, as plans are shown."""
    shown = []
    for change in publication.changes:
        renewed = {record.data for record in change.add} & change.before.data.keys()
        shown += [f"  - {record}" for record in change.remove]
        shown += [f"  {'~' if record.data in renewed else '+'} {record}" for record in change.add]
    return shown + [f"  conflict: {text}" for text in publication.conflicts]
