"""Each table of the commit must be readable, have no key twice, and neither refuse nor take mail by mistake.

table_entries.py, shadowed.py and alias_loops.py check the meaning of the entries. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Finding, error_at, limits, nothing_mentioned, warning_at
from reconciler.model.ascii_text import NON_ASCII
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.row_habits import odd_rows
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_cache import CachedTable
from reconciler.postfix.table_keys import malformed, may_hold_twice
from reconciler.postfix.table_parts import each, findings_in, search
from reconciler.postfix.tables import PATTERN_TYPES, Entries, entry_lines, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, Desired, Facts, Table
    from reconciler.postfix.tables import Entry

_STAR = re.compile(rb"^\*\s", re.MULTILINE)
_DOMAIN = re.compile(rf"[\w{NON_ASCII}.-]+", re.ASCII)
# The tables that a class of recipients is made of, and the domains that make it a class.
_RECIPIENTS = {
    "local_recipient_maps": "mydestination",
    "relay_recipient_maps": "relay_domains",
    "virtual_alias_maps": "virtual_alias_domains",
    "virtual_mailbox_maps": "virtual_mailbox_domains",
}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that each table is readable, has no key twice, and neither takes nor refuses mail by mistake."""
    main = Scope(merged, facts)
    for table in desired.tables.values():
        yield from CachedTable(table).ask(_bad_lines)
    yield from _empty(main, desired.tables)
    if routes := desired.tables.get("transport"):
        yield from _own_mail(main, routes)


def _bad_lines(table: Table) -> Iterator[Finding]:
    """Yield what is wrong with a table alone."""
    yield from malformed(table)
    yield from findings_in(table, odd_rows)
    # Different keys can have equal hashes, so _duplicates() walks the table again and compares the keys themselves.
    if may_hold_twice(table):
        yield from _duplicates(table)


def _duplicates(table: Table) -> Iterator[Finding]:
    """Yield keys that occur twice, except patterns: the first match wins, and two if-blocks may hold the same one."""
    if table.type in PATTERN_TYPES or table.type == "cidr":
        return
    entries = Entries(table)
    again = repeated(entries, limits.FINDINGS + 1)
    keys = {entry.key.lower() for entry in again}
    first: dict[str, Entry] = {}
    for entry in entries if again else ():
        if (key := entry.key.lower()) in keys:
            first.setdefault(key, entry)
    for entry in again:
        other = first[entry.key.lower()]
        mine, theirs = (
            f"{table.at(one.line)}".removesuffix(":1") if table.pieces else f"line {one.line}" for one in (entry, other)
        )
        what = f'duplicate key "{entry.key}": {theirs} already has it, and Postfix would ignore {mine}'
        yield replace(table.finding("duplicate-entry", entry.line, what, entry.key), also=table.at(other.line))


def _empty(main: Scope, tables: Mapping[str, Table]) -> Iterator[Finding]:
    """Yield classes of recipients that Postfix would refuse, because the tables that list them are empty."""
    for name, domains in _RECIPIENTS.items():
        parameter = main.parameter(name)
        if not parameter or not _is_class(main, domains, name):
            continue
        named = [own_name(reference.name, main.facts.directory) or "" for reference in tables_of(main, parameter)]
        if named and len(named) == len(main.words(name)) and not any(map(_holds_any, map(tables.get, named))):
            what = (
                f"table {', '.join(named)} is empty, but {name} depends on it: every address in"
                f' "{main.value(domains)}" that it should list would be refused as unknown'
            )
            where = tables[named[0]].where
            yield error_at("empty-table", where, what, named[0])


def _own_mail(main: Scope, table: Table) -> Iterator[Finding]:
    """Warn if the row ``*`` also matches this host's own domains, because they have no rows of their own."""
    if table.type in PATTERN_TYPES or not search(table, _STAR) or main.value("transport_maps") != table.reference:
        return
    own = [domain.lower() for domain in main.words("mydestination") if _DOMAIN.fullmatch(domain)]
    rows = {domain: {domain, *_parents(domain)} for domain in own}
    asked = {"*"}.union(*rows.values())
    entries = {entry.key.lower(): entry for entry in Entries(table) if entry.key.lower() in asked}
    lost = [domain for domain in own if entries.keys().isdisjoint(rows[domain])]
    star = entries.get("*")
    if lost and star and star.value != ":":
        what = (
            f'table transport: "*" also matches this host\'s own domains: {", ".join(lost)}; did you mean to'
            f' keep it with a row "{lost[0]} :"?'
        )
        where = table.at(star.line)
        yield warning_at("star-takes-own", where, what, "*")


def _parents(domain: str) -> list[str]:
    """Return the keys that transport(5) looks up for a domain after the domain itself."""
    return [domain[at:] for at, char in enumerate(domain) if char == "." and at]


def _is_class(main: Scope, domains: str, recipients: str) -> bool:
    """Return whether the class has domains of its own, and not only those that its empty table would hold."""
    parameter = main.parameter(domains)
    if domains == "mydestination":
        return bool(main.words(domains))
    return bool(parameter and main.words(domains)) and main.words(domains) != main.words(recipients)


def _holds_any(table: Table | None) -> bool:
    """Return whether a table has a row, even a malformed one; a table outside the commit counts as one that has."""
    return table is None or any(found for _, found in each(table, _has_row))


def _has_row(table: Table) -> bool:
    return next(entry_lines(table.source), None) is not None


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "star-takes-own": (
        "The key * of tables/transport matches every address that no other row matches. That includes this host's own "
        'domains, and their mail would leave the host. Keep it with a row "DOMAIN :" for each of them.'
    ),
    "duplicate-entry": (
        "A table holds a key twice. Postfix keeps the first entry and ignores the other, with only a warning in its "
        "log. Remove the unintended entry. Postfix compares keys without regard to case."
    ),
    "empty-table": (
        "A table that lists the existing recipients holds no entry. Postfix would refuse every address of its class "
        "as unknown, permanently. Fill the table, or remove the domains of the class."
    ),
}
