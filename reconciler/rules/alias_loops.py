"""An address of a table must not lead back to itself through aliases, as cleanup(8) and local(8) expand them.

The expansion stops at an address that is part of its own alias (seen on 3.7: ``info: info, box`` with ``box: info`` is
fine), and ``@a`` that stands for ``@b`` keeps the local part. cleanup answers 451 after DATA; local bounces. Raises
nothing.

Known limits: the rule does not follow other tables, address extensions, :include: files or .forward files. Of a large
table it holds the aliases that lead to others in several steps, and of the rest only the hashes of the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Finding, nothing_mentioned
from reconciler.postfix.aliases import domain_of, targets
from reconciler.postfix.hashed_texts import HashedTexts
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_cache import CachedTable
from reconciler.postfix.table_keys import may_lead_on
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, Desired, Facts, Table


_FEW = 1 << 14
_ROUNDS = 3


class _Alias(NamedTuple):
    """The targets of an address that are in the table again, and the line of the address."""

    targets: tuple[str, ...]
    line: int


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that no alias leads back to itself through others."""
    for table in _followed(Scope(merged, facts), desired.tables):
        yield from CachedTable(table).ask(_loops)


def _followed(main: Scope, tables: Mapping[str, Table]) -> Iterator[Table]:
    """Yield the tables whose answers are looked up in them again: one for each parameter, if it can be followed."""
    for parameter in filter(None, map(main.parameter, ("virtual_alias_maps", "alias_maps"))):
        names = [own_name(reference.name, main.facts.directory) or "" for reference in tables_of(main, parameter)]
        if len(names) == 1 and names[0] in tables and tables[names[0]].type not in PATTERN_TYPES:
            yield tables[names[0]]


def _loops(table: Table) -> Iterator[Finding]:
    """Yield a finding for each circle of aliases."""
    if not may_lead_on(table):
        return
    keys = left = HashedTexts(entry.key.lower() for entry in Entries(table))
    for _ in range(_ROUNDS if len(keys) > _FEW else 0):  # what leads out in a few steps, as most do, is in no circle
        left = HashedTexts(key for key, _ in _leading_on(table, left))
    aliases: dict[str, _Alias] = {}
    for key, alias in _leading_on(table, left):
        aliases.setdefault(key, alias)
    bounces = table.compiler == "postalias"
    then = "mail to them would bounce" if bounces else "Postfix would refuse mail to them with 451 after DATA"
    for path in _circles(aliases, keys):
        place = aliases[path[0]] if path[0] in aliases else aliases[domain_of(path[0])]
        way = " -> ".join(address.removeprefix("*") for address in (*path, path[0]))
        yield table.finding("alias-loop", place.line, f"alias loop {way}: {then}", min(path).removeprefix("*"))


def _leading_on(table: Table, left: HashedTexts) -> Iterator[tuple[str, _Alias]]:
    """Yield those of the aliases that are *left* which lead to one of them again."""
    for entry in Entries(table):
        key = entry.key.lower()
        if key in left:
            addresses = targets(entry)
            inner = tuple(one for one in addresses if key[0] == "@" or one in left or domain_of(one) in left)
            if inner and key not in addresses:
                yield key, _Alias(inner, entry.line)


def _next(address: str, aliases: Mapping[str, _Alias], keys: HashedTexts) -> list[str]:
    """Return the targets of an address; ``*@domain`` is any address there that has no entry of its own."""
    if address in aliases:
        return list(aliases[address].targets)
    if address in keys or domain_of(address) not in aliases:
        return []
    local = address.rpartition("@")[0]
    addresses = [local + target if target.startswith("@") else target for target in aliases[domain_of(address)].targets]
    return [] if address in addresses else addresses


def _circles(aliases: Mapping[str, _Alias], keys: HashedTexts) -> Iterator[list[str]]:
    """Yield paths that lead back to their start through others; each address is walked once, and reported once."""
    done: set[str] = set()
    reported: set[str] = set()
    for key in aliases:
        start = f"*{key}" if key.startswith("@") else key
        path, waiting = ([start], [iter(_next(start, aliases, keys))]) if start not in done else ([], [])
        on = dict.fromkeys(path, 0)
        while path:
            target = next(waiting[-1], None)
            if target is None:
                waiting.pop()
                on.pop(path[-1])
                done.add(path.pop())
            elif target in on:
                circle = path[on[target] :]
                if len(circle) > 1 and reported.isdisjoint(circle):
                    reported.update(circle)
                    yield circle
            elif target not in done:
                on[target] = len(path)
                path.append(target)
                waiting.append(iter(_next(target, aliases, keys)))


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "alias-loop": (
        "Aliases lead from one to the next and back to the first. For virtual_alias_maps, Postfix stops the expansion "
        "and answers 451 after DATA, so the mail stays with its sender until it bounces there. For alias_maps, the "
        "mail bounces at once. Break the circle. An address may be part of its own alias, to keep a copy."
    ),
}
