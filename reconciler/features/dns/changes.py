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


class Key(NamedTuple):
    """What names a set of records."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Found:
    """A set of records as a server has it: *data* by its normal form, as the server says it."""

    ttl: int
    data: Mapping[str, str] = field(default_factory=dict)


Live = Mapping[Key, Found]


@dataclass(frozen=True, slots=True)
class SetChange:
    """What becomes of one set of records, which must be *before* when it happens."""

    key: Key
    before: Found
    add: tuple[Record, ...]
    remove: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """What would be done in a zone; *ours* is what we have made when it was."""

    zone: str
    changes: tuple[SetChange, ...]
    conflicts: tuple[str, ...]
    ours: frozenset[Record]

    @property
    def empty(self) -> bool:
        """Whether the zone is as wanted."""
        return not self.changes and not self.conflicts


def asked(zone: str, wanted: Iterable[Record], ours: Iterable[Record]) -> list[Key]:
    """The sets that a server must be asked for: with each name its CNAME, and all of a name that wants one."""
    records = [*wanted, *ours]
    keys = {Key(record.name, record.type) for record in records}
    beside = {Key(key.name, kind) for key in keys if key.type == "CNAME" for kind in BESIDE}
    names = {key.name for key in keys} | {record.data.split()[1] for record in records if record.type == "MX"}
    return sorted(keys | beside | {Key(name, "CNAME") for name in names if f".{name}".endswith(f".{zone}.")})


def publication(zone: str, wanted: Iterable[Record], ours: frozenset[Record], live: Live) -> Publication:
    """What brings the zone from *live* to *wanted*, with nobody's records but *ours* removed."""
    sets: dict[Key, list[Record]] = {Key(record.name, record.type): [] for record in sorted(ours)}
    for record in wanted:
        sets.setdefault(Key(record.name, record.type), []).append(record)
    changes, conflicts, made = [], list[str](), set[Record]()
    foreign = {key: _foreign(key, found, ours) for key, found in live.items()}
    for key, records in sorted(sets.items()):
        own = {record.data: record for record in ours if key == (record.name, record.type)}
        change, clashes, left = _set(key, records, own, live.get(key, Found(0)), foreign)
        made |= left
        conflicts += clashes
        if change.add or change.remove:
            changes.append(change)
    return Publication(zone, tuple(changes), tuple(conflicts), frozenset(made))


def _foreign(key: Key, found: Found, ours: frozenset[Record]) -> list[str]:
    """What is in a set that we did not make."""
    return [data for data in found.data if Record(key.name, key.type, data) not in ours]


def _set(
    key: Key, wanted: list[Record], own: Mapping[str, Record], there: Found, foreign: Mapping[Key, list[str]]
) -> tuple[SetChange, list[str], set[Record]]:
    """What becomes of a set; where it holds somebody else's records, it keeps its TTL."""
    said, shared = {record.data for record in wanted}, bool(foreign.get(key))
    clashes, add = list[str](), list[Record]()
    for record in wanted:
        others = _others(record, said, foreign)
        clashes += [f"{record}: somebody else's {other} is there already" for other in others]
        if not others and record.data not in there.data and shared:
            add.append(replace(record, ttl=there.ttl))
        elif not others and not shared and (record.data not in there.data or record.ttl != there.ttl):
            add.append(record)
    gone = tuple(record for data, record in own.items() if data in there.data and data not in said)
    kept = {record for data, record in own.items() if data in there.data and data in said}
    return SetChange(key, there, tuple(add), gone), clashes, kept | set(add)


def _others(record: Record, said: set[str], foreign: Mapping[Key, list[str]]) -> list[str]:
    """What somebody else made that can't stand beside the record."""
    same = [data for data in foreign.get(Key(record.name, record.type), ()) if data not in said]
    if record.type == "TXT":
        kind = tag(record)
        same = [data for data in same if kind and tag(Record(record.name, "TXT", data)) == kind]
    beside = [Key(record.name, kind) for kind in (BESIDE if record.type == "CNAME" else ("CNAME",))]
    if record.type == "MX":
        beside.append(Key(record.data.split()[1], "CNAME"))  # no server takes an MX that leads to one
    others = [f"{key.type} {data}" for key in beside for data in foreign.get(key, ())]
    return [f"{record.type} {data}" for data in same] + others


def lines(found: Publication) -> list[str]:
    """What would be done, a record a line, as plans are shown."""
    shown = []
    for change in found.changes:
        renewed = {record.data for record in change.add} & change.before.data.keys()
        shown += [f"  - {record}" for record in change.remove]
        shown += [f"  {'~' if record.data in renewed else '+'} {record}" for record in change.add]
    return shown + [f"  conflict: {text}" for text in found.conflicts]
