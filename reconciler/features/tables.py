"""``tables/``: Postfix tables as files, and the well-known names that wire themselves.

There is no section of mail.yaml for them: a table is there because its file is. The rules read each table once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import RootModel

from reconciler.features.entries import Use, judge, uses_in
from reconciler.features.references import own_name, tables_in, tables_of
from reconciler.features.restrictions import LISTS
from reconciler.features.scopes import Scope, scopes
from reconciler.model import Contribution, Finding, Parameter, Where
from reconciler.syntax import PATTERN_TYPES, read_table, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Desired, Entry, Facts, Table

    Entries = Mapping[str, list[Entry]]

SECTION = "tables"
WIRED = {
    "transport": "transport_maps",
    "sender_transport": "sender_dependent_default_transport_maps",
    "virtual": "virtual_alias_maps",
    "tls_policy": "smtp_tls_policy_maps",
    "relay_domains": "relay_domains",
    "virtual_mailbox": "virtual_mailbox_maps",
    "sender_canonical": "sender_canonical_maps",
    "recipient_canonical": "recipient_canonical_maps",
    "generic": "smtp_generic_maps",
    "aliases": "alias_maps",
}


class Schema(RootModel[None]):
    """Nothing may be written under ``tables:``."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute every table, and the parameter that a well-known name stands for."""
    wired = {
        WIRED[name]: Parameter(WIRED[name], table.reference, table.where, SECTION)
        for name, table in desired.tables.items()
        if name in WIRED
    }
    if table := desired.tables.get("aliases"):
        # newaliases(1) must not rebuild a map that belongs to a generation.
        wired["alias_database"] = Parameter("alias_database", "", table.where, SECTION)
    return Contribution(parameters=wired, tables=desired.tables)


# The tables that a class of recipients is made of, and the domains that make it a class.
_RECIPIENTS = {
    "alias_maps": "mydestination",
    "local_recipient_maps": "mydestination",
    "relay_recipient_maps": "relay_domains",
    "virtual_alias_maps": "virtual_alias_domains",
    "virtual_mailbox_maps": "virtual_mailbox_domains",
}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Every table can be read, and its entries mean something to those who ask it."""
    main = Scope(merged, facts)
    uses = _uses(merged, facts)
    entries: dict[str, list[Entry]] = {}
    for name, table in desired.tables.items():
        entries[name], malformed = read_table(table)
        yield from malformed
        yield from _duplicates(table, entries[name])
        yield from judge(table, entries[name], uses.get(name, set()), main)
    yield from _empty(main, desired.tables, entries)
    yield from _loops(main, desired.tables, entries)


def _uses(merged: Contribution, facts: Facts) -> dict[str, set[Use]]:
    """What each table is for, by its name."""
    uses: dict[str, set[Use]] = {}
    for scope in scopes(merged, facts):
        classes = frozenset(scope.words("smtpd_restriction_classes"))
        for parameter in scope.written:
            if parameter.name in LISTS or parameter.name in classes:
                found = list(uses_in(scope.expanded(parameter.value) or "", parameter.name, classes))
            else:
                found = [(Use(parameter.name), str(reference)) for reference in tables_of(scope, parameter)]
            for use, text in found:
                for reference in tables_in(text):
                    uses.setdefault(own_name(reference.name) or "", set()).add(use)
    return uses


def _duplicates(table: Table, entries: list[Entry]) -> Iterator[Finding]:
    """Of patterns the first that matches wins, so the same one may stand in two if-blocks."""
    if table.type in PATTERN_TYPES or table.type == "cidr":
        return
    first: dict[str, Entry] = {}
    again = repeated(entries)
    for entry in entries if again else ():
        first.setdefault(entry.key.lower(), entry)
    for entry in again:
        other = first[entry.key.lower()]
        what = (
            f'table {table.name}: duplicate key "{entry.key}": line {other.line} has it already, and line {entry.line}'
            " would be ignored"
        )
        where = Where(table.file, entry.line)
        about = f"{table.name} {entry.key}"
        yield Finding(rule="duplicate-entry", where=where, text=what, subject=about)


def _empty(main: Scope, tables: Mapping[str, Table], entries: Entries) -> Iterator[Finding]:
    """Recipients would be refused for good, because the tables that list them are empty."""
    for name, domains in _RECIPIENTS.items():
        parameter = main.parameter(name)
        if not parameter or not _is_class(main, domains, name):
            continue
        named = [own_name(reference.name) or "" for reference in tables_of(main, parameter)]
        if named and len(named) == len(main.words(name)) and not any(entries.get(table, [True]) for table in named):
            what = (
                f"table {', '.join(named)} is empty, but {name} depends on it: every address in"
                f' "{main.value(domains)}" that it was to hold would be refused as unknown'
            )
            where = tables[named[0]].where
            yield Finding(rule="empty-table", where=where, text=what, subject=named[0])


def _is_class(main: Scope, domains: str, recipients: str) -> bool:
    """Whether the class has domains of its own, and not just those that its empty table would hold."""
    parameter = main.parameter(domains)
    if domains == "mydestination":
        return bool(main.words(domains))
    return bool(parameter and main.words(domains)) and main.words(domains) != main.words(recipients)


def _loops(main: Scope, tables: Mapping[str, Table], entries: Entries) -> Iterator[Finding]:
    """Aliases that lead back to themselves through others; an alias of itself is fine (virtual(5))."""
    parameter = main.parameter("virtual_alias_maps")
    named = [own_name(reference.name) or "" for reference in tables_of(main, parameter)] if parameter else []
    if len(named) != 1 or named[0] not in entries or tables[named[0]].type in PATTERN_TYPES:
        return
    table, found = tables[named[0]], entries[named[0]]
    keys = {entry.key.lower() for entry in found}
    inner = {entry.key.lower(): value for entry in found if (value := entry.value.lower()) in keys}
    told: set[str] = set()
    for entry in found if inner else ():
        path = _path(entry.key.lower(), inner)
        if path and told.isdisjoint(path):
            told.update(path)
            way = " -> ".join([*path, path[0]])
            what = f"table {table.name}: alias loop {way}: mail would be refused after DATA with 451"
            where = Where(table.file, entry.line)
            yield Finding(rule="alias-loop", where=where, text=what, subject=f"{table.name} {min(path)}")


def _path(start: str, step: Mapping[str, str]) -> list[str]:
    """The way from *start* back to itself, or nothing."""
    path, here = [start], step.get(start)
    while here and here not in path:
        path.append(here)
        here = step.get(here)
    return path if here == start and len(path) > 1 else []
