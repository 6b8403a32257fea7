"""What the keys of a table say of one another: whether one may be there twice, or an answer may be a key again.

Keys are compared by their hashes, so that "no" is certain and "yes" is not. Of a large table, what changed since the
last version is compared with the rest, if the last version was free of it. Raises nothing.

A million keys take 8 MiB, and their targets as much: a set of them would take many times the memory of the file.
"""

from __future__ import annotations

from array import array
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.past import Past, condensed
from reconciler.postfix.aliases import domain_of, holds_domains, targets
from reconciler.postfix.table_parts import each, moved
from reconciler.postfix.tables import Entries, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from reconciler.model import Finding, Table

_SHARES = 4
_FRESH = 4  # if more than this part of a table is new, all of it is compared
_FEW = 8


class _Hashes(NamedTuple):
    """The hashes of the keys of a part, and those of its targets; *malformed* are its lines that are no entries."""

    keys: array[int]
    targets: array[int]
    malformed: tuple[Finding, ...] = ()


_free = Past[dict[bytes, _Hashes]](64)
"""The parts of the last version of a table that was free of what is looked for."""


def may_hold_twice(table: Table) -> bool:
    """Return whether a key may be in a table twice; postmap(1) folds case."""
    return _may(table, _keys_twice, _keys)


def may_lead_on(table: Table) -> bool:
    """Return whether an answer may be a key of the table again, or an address of a domain that is a key."""
    return _may(table, _leads_on, _aliases, holds_domains(table))


def malformed(table: Table) -> Iterator[Finding]:
    """Yield the findings for the lines that are no entries, at their places."""
    for part, found in each(table, _keys):
        yield from (moved(one, table, part) for one in found.malformed)


def _keys(table: Table) -> _Hashes:
    found: list[Finding] = []
    keys = array("q", (hash(entry.key.lower()) for entry in walk(table, found)))
    return _Hashes(keys, array("q"), tuple(found))


def _aliases(table: Table, domains: bool) -> _Hashes:
    keys, values = array("q"), array("q")
    for entry in Entries(table):
        keys.append(hash(entry.key.lower()))
        addresses = targets(entry)
        values.extend(map(hash, addresses))
        if domains:
            values.extend(hash(domain_of(address)) for address in addresses)
    return _Hashes(keys, values)


def _may(
    table: Table,
    test: Callable[[Sequence[_Hashes], Sequence[_Hashes], Sequence[_Hashes]], bool],
    find: Callable[..., _Hashes],
    *by: Hashable,
) -> bool:
    """Return whether a test holds for a table; what it was free of in the last version is not compared again.

    The test gets the parts that were there in the last version, those that are new, and those of it that are gone.
    """
    question = (test, table.name, table.type, table.file, table.compiler, condensed(by))
    parts = [(part.digest, hashes) for part, hashes in each(table, find, *by)]
    free, now = _free.take(question, {}), dict(parts)
    old = [hashes for digest, hashes in parts if digest in free]
    new = [hashes for digest, hashes in parts if digest not in free]
    gone = [hashes for digest, hashes in free.items() if digest not in now]
    alone = len(now) == len(parts)
    is_small = alone and len(new) * _FRESH <= len(parts)
    found = test(old, new, gone) if is_small else test([], [one for _, one in parts], [])
    if not found and alone:
        _free.keep(question, now)
    return found


def _keys_twice(old: Sequence[_Hashes], new: Sequence[_Hashes], gone: Sequence[_Hashes]) -> bool:
    fresh = [one.keys for one in new]
    if any(_twice(fresh, share) for share in range(_SHARES)):
        return True
    return bool(old) and _meets(_added(fresh, (one.keys for one in gone)), (one.keys for one in old))


def _twice(hashes: Iterable[array[int]], share: int) -> bool:
    """Return whether two of those hashes are equal that leave *share* when they are divided."""
    # Sorted, hashes take half the memory of a set, and equal ones are neighbours; a share takes a part of that.
    ordered = sorted(one for one in chain.from_iterable(hashes) if one % _SHARES == share)
    return any(one == other for one, other in pairwise(ordered))


def _leads_on(old: Sequence[_Hashes], new: Sequence[_Hashes], gone: Sequence[_Hashes]) -> bool:
    if _meets(set(chain.from_iterable(one.targets for one in new)), (one.keys for one in new)):
        return True
    if not old:
        return False
    values = _added((one.targets for one in new), (one.targets for one in gone))
    keys = _added((one.keys for one in new), (one.keys for one in gone))
    return _meets(values, (one.keys for one in old)) or _meets(keys, (one.targets for one in old))


def _added(new: Iterable[array[int]], gone: Iterable[array[int]]) -> set[int]:
    """Return the hashes that are new; those that were there met nothing of what is still there."""
    return set(chain.from_iterable(new)).difference(*gone)


def _meets(hashes: set[int], others: Iterable[array[int]]) -> bool:
    """Return whether one of the hashes may be among others; for few, the bytes are searched, which is faster."""
    if len(hashes) > _FEW:
        return not all(map(hashes.isdisjoint, others))
    sought = [array("q", [one]).tobytes() for one in hashes]
    return bool(sought) and any(one in content for content in map(array.tobytes, others) for one in sought)
