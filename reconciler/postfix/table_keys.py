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
_free = Past[frozenset[bytes]](64)


class _Hashes(NamedTuple):
    """The hashes of the keys of a part, and those of its targets; *malformed* are its lines that are no entries."""

    keys: array[int]
    targets: array[int]
    malformed: tuple[Finding, ...] = ()


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
    test: Callable[[Sequence[_Hashes], Sequence[_Hashes]], bool],
    find: Callable[..., _Hashes],
    *by: Hashable,
) -> bool:
    """Return whether a test holds for a table; what it was free of in the last version is not compared again."""
    question = (test, table.name, table.type, table.file, table.compiler, condensed(by))
    parts = [(part.digest, hashes) for part, hashes in each(table, find, *by)]
    free, digests = _free.take(question, frozenset()), [digest for digest, _ in parts]
    old = [hashes for digest, hashes in parts if digest in free]
    new = [hashes for digest, hashes in parts if digest not in free]
    alone = len(set(digests)) == len(digests)
    found = test(old, new) if alone and len(new) * _FRESH <= len(parts) else test([], [one for _, one in parts])
    if not found and alone:
        _free.keep(question, frozenset(digests))
    return found


def _keys_twice(old: Sequence[_Hashes], new: Sequence[_Hashes]) -> bool:
    fresh = [one.keys for one in new]
    return any(_twice(fresh, share) for share in range(_SHARES)) or (
        bool(old) and _meets(set(chain.from_iterable(fresh)), (one.keys for one in old))
    )


def _twice(hashes: Iterable[array[int]], share: int) -> bool:
    """Return whether two of those hashes are equal that leave *share* when they are divided."""
    # Sorted, hashes take half the memory of a set, and equal ones are neighbours; a share takes a part of that.
    ordered = sorted(one for one in chain.from_iterable(hashes) if one % _SHARES == share)
    return any(one == other for one, other in pairwise(ordered))


def _leads_on(old: Sequence[_Hashes], new: Sequence[_Hashes]) -> bool:
    values = set(chain.from_iterable(one.targets for one in new))
    if _meets(values, (one.keys for one in chain(old, new))):
        return True
    return bool(old) and _meets(set(chain.from_iterable(one.keys for one in new)), (one.targets for one in old))


def _meets(hashes: set[int], others: Iterable[array[int]]) -> bool:
    return bool(hashes) and not all(map(hashes.isdisjoint, others))
