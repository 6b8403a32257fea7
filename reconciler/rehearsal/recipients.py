"""Choose whom a rehearsal sends mail to: a recipient of every address class, and some of every table that lists them.

Pure: the rows of a table that is not in the commit are read in the room, with ``postmap -s``. Raises nothing.

Known limits: patterns and databases name no recipient that could be tried. Of a long table only the beginning is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model import UNWRITTEN
from reconciler.postfix.references import own_name, table_inside, tables_in
from reconciler.postfix.scopes import CONFIG_DIRECTORY
from reconciler.postfix.table_parts import beginning
from reconciler.postfix.tables import PATTERN_TYPES, Entries
from reconciler.rehearsal.inside import listings
from reconciler.rehearsal.inside.messages import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Table, Where
    from reconciler.postfix.references import Reference
    from reconciler.postfix.scopes import Scope

    Rows = Mapping[str, tuple[tuple[str, str], ...]]
    """Rows of tables by the table's name, each a key and a value."""

REMOTE = "somebody@remote.rehearsal.example"
_CLASSES = ("virtual_alias_maps", "virtual_mailbox_maps", "relay_recipient_maps")
_LOCAL = ("alias_maps", "local_recipient_maps")
_LISTED = frozenset({"btree", "cdb", "dbm", "hash", "lmdb", "sdbm", "texthash"})  # types that postmap -s can list
_BEGINNING, _MOST, _MOST_CHANGED = 4096, 16, 4


@dataclass(frozen=True, slots=True)
class Listed:
    """A table that lists recipients: the parameter that names it, and its *recipients*, if the commit has the table.

    Otherwise a rehearsal finds them by its *listing*.
    """

    parameter: str
    table: str
    where: Where
    recipients: tuple[str, ...] = ()
    listing: Listing | None = None


def listed(main: Scope, changed: Rows) -> list[Listed]:
    """Return every table that says who exists; of the commit's own, also rows that are *changed*."""
    found: dict[tuple[str, str], Listed] = {}
    local = next(filter(is_domain, main.words("mydestination")), "")
    for name in (*_CLASSES, *(_LOCAL if local else ())):
        for word in main.words(name):
            for reference in tables_in(word):
                one = _listed(name, reference, main, local if name in _LOCAL else "", changed)
                if one and (one.table, str(one.recipients)) not in found:
                    found[one.table, str(one.recipients)] = one
    return list(found.values())[:_MOST]


def _listed(name: str, reference: Reference, main: Scope, domain: str, changed: Rows) -> Listed | None:
    table = main.merged.tables.get(own_name(reference.name, main.facts.directory) or "") or table_inside(reference)
    where = next((place for place in map(main.where, (name, "mydestination")) if place != UNWRITTEN), UNWRITTEN)
    if table:
        more = listings.recipients(changed.get(table.name, ())[:_BEGINNING], domain, _MOST_CHANGED)
        return Listed(name, str(reference), where, tuple(dict.fromkeys([*_sampled(table, domain), *more])))
    if reference.type not in _LISTED:
        return None
    directory = main.facts.directory
    listing = Listing(table=str(reference).replace(CONFIG_DIRECTORY, directory), domain=domain)
    return Listed(name, str(reference), where, listing=listing)


def _sampled(table: Table, domain: str) -> list[str]:
    """Return the first recipients of a table; only the beginning of a long one is read."""
    if table.type in PATTERN_TYPES:
        return []
    rows = ((entry.key, entry.value) for entry in Entries(beginning(table, _BEGINNING)))
    return listings.recipients(rows, domain)


def tried(main: Scope, tables: list[Listed]) -> list[str]:
    """Return a recipient of every address class, and those of the commit's own tables that are no local names."""
    own = (one for table in tables if table.parameter not in _LOCAL for one in table.recipients)
    return list(dict.fromkeys([*_of_classes(main), *own]))


def asked(tables: list[Listed]) -> list[str]:
    """Return the local names that the commit's own tables list, to which nothing is sent: a program may be behind."""
    return [one for table in tables if table.parameter in _LOCAL for one in table.recipients]


def _of_classes(main: Scope) -> Iterator[str]:
    yield f"postmaster@{main.value('myhostname')}"
    yield f"root@{main.value('myhostname')}"
    yield REMOTE
    yield from (f"postmaster@{word}" for word in main.words("mydestination")[:1] if is_domain(word))
    yield from (f"somebody@{word}" for word in main.words("relay_domains")[:1] if is_domain(word))


def is_domain(word: str) -> bool:
    """Return whether a word of a list is the name of a domain."""
    return bool(re.fullmatch(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", word))
