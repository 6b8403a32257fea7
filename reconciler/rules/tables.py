"""Tables of the commit: what is wrong with each by itself, and with what it holds for those who ask it."""

from __future__ import annotations

import hashlib
import re
from array import array
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from reconciler.model import Contribution, Finding, Parameter, Severity
from reconciler.postfix.nexthops import roads
from reconciler.postfix.references import own_name, table_inside, tables_in, tables_of
from reconciler.postfix.restrictions import LISTS
from reconciler.postfix.routes import RELAY_MAPS, TRANSPORT_MAPS
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.tables import PATTERN_TYPES, Entries, repeated, walk
from reconciler.rules.alias_loops import domain_of, holds_domains, loops, targets
from reconciler.rules.mail_loops import home
from reconciler.rules.table_entries import Use, judge, uses_in

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

    from reconciler.model import Desired, Facts, Table
    from reconciler.postfix.nexthops import Roads
    from reconciler.postfix.references import Reference
    from reconciler.postfix.tables import Entry
    from reconciler.rules.mail_loops import Home

_MOST_KEPT = 1024
_STAR = re.compile(rb"^\*\s", re.MULTILINE)
_DOMAIN = re.compile(r"[\w.-]+")
# The tables that a class of recipients is made of, and the domains that make it a class.
_RECIPIENTS = {
    "local_recipient_maps": "mydestination",
    "relay_recipient_maps": "relay_domains",
    "virtual_alias_maps": "virtual_alias_domains",
    "virtual_mailbox_maps": "virtual_mailbox_domains",
}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Every table can be read, and its entries mean something to those who ask it."""
    main = Scope(merged, facts)
    uses, known, here = _uses(merged, facts), roads(merged, facts), home(merged, facts)
    followed = _followed(main, desired.tables)
    for name, table in desired.tables.items():
        kept = _Kept(table)
        yield from kept.ask(_itself, name in followed)
        yield from kept.ask(judge, frozenset(uses.get(name, ())), known, here)
    yield from _inside(merged, facts, known, here)
    yield from _empty(main, desired.tables)
    if routes := desired.tables.get("transport"):
        yield from _own_mail(main, routes)


class _Kept:
    """What was said of tables before; a table is known by its bytes, and they are not kept."""

    _said: ClassVar[dict[tuple[Hashable, ...], tuple[Finding, ...]]] = {}

    def __init__(self, table: Table) -> None:
        self._table = table
        named = (table.name, table.type, table.file, table.compiler, table.pieces)
        self._key = (*named, hashlib.sha256(table.source).digest())

    def ask(self, rule: Callable[..., Iterable[Finding]], *by: Hashable) -> tuple[Finding, ...]:
        """What a rule says of this table, which may follow from the table and *by* alone."""
        key = (rule, *self._key, *by)
        said = self._said.get(key)
        if said is None:
            said = tuple(rule(self._table, *by))
            if len(self._said) >= _MOST_KEPT:
                self._said.clear()
            if len(said) <= _MOST_KEPT:
                self._said[key] = said
        return said


def _uses(merged: Contribution, facts: Facts) -> dict[str, set[Use]]:
    """What each table is for, by its name."""
    uses: dict[str, set[Use]] = {}
    for _, _, use, reference in _asked(merged, facts):
        uses.setdefault(own_name(reference.name) or "", set()).add(use)
    return uses


def _asked(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Use, Reference]]:
    """Every table that a setting names, with what it is for there."""
    for scope in scopes(merged, facts):
        classes = frozenset(scope.words("smtpd_restriction_classes"))
        for parameter in scope.written:
            if parameter.name in LISTS or parameter.name in classes:
                found = list(uses_in(scope.expanded(parameter.value) or "", parameter.name, classes))
            else:
                found = [(Use(parameter.name), str(reference)) for reference in tables_of(scope, parameter)]
            for use, text in found:
                yield from ((scope, parameter, use, reference) for reference in tables_in(text))


def _inside(merged: Contribution, facts: Facts, known: Roads, here: Home) -> Iterator[Finding]:
    """What is wrong with tables that settings themselves hold; routes.py and loops.py read those of routes."""
    for scope, parameter, use, reference in _asked(merged, facts):
        table = table_inside(reference) if use.name not in TRANSPORT_MAPS | RELAY_MAPS else None
        for found in judge(table, frozenset({use}), known, here) if table else ():
            told = scope.finding(found.rule, parameter, found.text, found.subject, severity=found.severity)
            yield replace(told, lasting=found.lasting)


def _itself(table: Table, followed: bool) -> Iterator[Finding]:
    """What is wrong with a table by itself, in one walk; *followed*: its answers are looked up in it again."""
    malformed: list[Finding] = []
    keys, values = array("q"), array("q")  # hashes: where they don't collide nothing does
    domains = followed and holds_domains(table.source)
    for entry in walk(table, malformed):
        keys.append(hash(entry.key.lower()))
        leads_to = targets(entry) if followed else ()
        values.extend(map(hash, leads_to))
        if domains:
            values.extend(hash(domain_of(target)) for target in leads_to)
    yield from malformed
    ordered = sorted(keys)  # half the memory of a set
    if any(one == other for one, other in pairwise(ordered)):
        yield from _duplicates(table)
    del ordered
    if followed and not set(values).isdisjoint(keys):
        yield from loops(table)


def _duplicates(table: Table) -> Iterator[Finding]:
    """Of patterns the first that matches wins, so the same one may stand in two if-blocks."""
    if table.type in PATTERN_TYPES or table.type == "cidr":
        return
    entries = Entries(table)
    again = repeated(entries)
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
        what = f'table {table.name}: duplicate key "{entry.key}": {theirs} has it already, and {mine} would be ignored'
        where = table.at(entry.line)
        about = f"{table.name} {entry.key}"
        yield Finding(rule="duplicate-entry", where=where, text=what, subject=about)


def _empty(main: Scope, tables: Mapping[str, Table]) -> Iterator[Finding]:
    """Recipients would be refused for good, because the tables that list them are empty."""
    for name, domains in _RECIPIENTS.items():
        parameter = main.parameter(name)
        if not parameter or not _is_class(main, domains, name):
            continue
        named = [own_name(reference.name) or "" for reference in tables_of(main, parameter)]
        if named and len(named) == len(main.words(name)) and not any(_holds_any(tables.get(one)) for one in named):
            what = (
                f"table {', '.join(named)} is empty, but {name} depends on it: every address in"
                f' "{main.value(domains)}" that it was to hold would be refused as unknown'
            )
            where = tables[named[0]].where
            yield Finding(rule="empty-table", where=where, text=what, subject=named[0])


def _own_mail(main: Scope, table: Table) -> Iterator[Finding]:
    """The row for all other mail takes that for this host's own domains as well, unless rows of theirs keep it."""
    if table.type in PATTERN_TYPES or not _STAR.search(table.source) or main.value("transport_maps") != table.reference:
        return
    own = [domain.lower() for domain in main.words("mydestination") if _DOMAIN.fullmatch(domain)]
    rows = {domain: {domain, *_parents(domain)} for domain in own}
    asked = {"*"}.union(*rows.values())
    found = {entry.key.lower(): entry for entry in Entries(table) if entry.key.lower() in asked}
    lost = [domain for domain in own if found.keys().isdisjoint(rows[domain])]
    star = found.get("*")
    if lost and star and star.value != ":":
        what = (
            f'table transport: "*" takes mail for this host\'s own domains as well: {", ".join(lost)}; did you mean to'
            f' keep it with a row "{lost[0]} :"?'
        )
        where = table.at(star.line)
        yield Finding(rule="star-takes-own", where=where, text=what, subject="*", severity=Severity.WARNING)


def _parents(domain: str) -> list[str]:
    """The keys that transport(5) looks up for a domain after its own."""
    return [domain[at:] for at, char in enumerate(domain) if char == "." and at]


def _is_class(main: Scope, domains: str, recipients: str) -> bool:
    """Whether the class has domains of its own, and not just those that its empty table would hold."""
    parameter = main.parameter(domains)
    if domains == "mydestination":
        return bool(main.words(domains))
    return bool(parameter and main.words(domains)) and main.words(domains) != main.words(recipients)


def _holds_any(table: Table | None) -> bool:
    """Whether it has an entry; of a table that is not ours nobody knows better."""
    return table is None or next(iter(Entries(table)), None) is not None


def _followed(main: Scope, tables: Mapping[str, Table]) -> set[str]:
    """The tables whose answers are looked up in them again: the one of each parameter, if it can be followed."""
    found = set()
    for parameter in filter(None, map(main.parameter, ("virtual_alias_maps", "alias_maps"))):
        named = [own_name(reference.name) or "" for reference in tables_of(main, parameter)]
        if len(named) == 1 and named[0] in tables and tables[named[0]].type not in PATTERN_TYPES:
            found.add(named[0])
    return found


EXPLAINED = {
    "star-takes-own": (
        "The key * of tables/transport stands for every address that no other row matches, those of this host's own "
        'domains among them, and their mail would leave. Keep it with a row "DOMAIN :" for each of them.'
    ),
    "duplicate-entry": (
        "A key stands in a table twice. Postfix keeps the first and ignores the other, with a warning that nobody "
        "reads. Remove the one that was not meant; keys are compared without regard to case."
    ),
    "empty-table": (
        "A table that says which recipients exist holds no entry. Every address of its class would be refused as "
        "unknown, for good. Fill it, or remove the domains of the class."
    ),
}
