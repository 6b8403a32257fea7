"""An earlier entry must not hide a later one: in tables of networks and patterns, the first match wins.

The rule reports only certain cases: a network inside an earlier one, the same pattern again, or any entry after a
pattern that matches every text; and only if the hidden answer differs. Raises nothing.

Known limit: the rule skips tables with ``if`` blocks and negated patterns.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, nothing_mentioned
from reconciler.postfix.table_cache import CachedTable
from reconciler.postfix.table_uses import inline_tables
from reconciler.postfix.tables import PATTERN_TYPES, Entries, has_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Table
    from reconciler.postfix.tables import Entry

_ANYTHING = re.compile(r"([^\w\s])\^?(?:|\.\*|\(\.\*\)|\.)\$?\1[a-zA-Z]*", re.ASCII)
_NOTHING = re.compile(r"([^\w\s])\^?\$\1[a-zA-Z]*", re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that each entry of a table can be reached, or that another one gives the same answer."""
    for table in desired.tables.values():
        if _is_ordered(table):
            yield from CachedTable(table).ask(_shadowed)
    for inline in inline_tables(merged, facts):
        if _is_ordered(inline.table):
            yield from map(inline.finding, _shadowed(inline.table))


def _is_ordered(table: Table) -> bool:
    """Return whether the first match of the table decides."""
    return table.type == "cidr" or table.type in PATTERN_TYPES


def _shadowed(table: Table) -> Iterator[Finding]:
    """Yield a warning for each entry that is never reached and has a different answer."""
    if has_blocks(table):
        return
    if len({entry.value for entry in Entries(table)}) < 2:  # noqa: PLR2004 - a long list usually has one answer
        return
    hidden = _networks(table) if table.type == "cidr" else _patterns(table)
    for entry, first in hidden:
        what = (
            f'"{entry.key}" is never reached: "{first.key}" in line {first.line} matches before it and answers'
            f' "{first.value}"'
        )
        yield table.finding("shadowed-entry", entry.line, what, entry.key, severity=Severity.WARNING)


def _networks(table: Table) -> Iterator[tuple[Entry, Entry]]:
    """Yield networks inside earlier ones: the lookup tries each prefix length that occurred before."""
    seen: dict[tuple[int, int], dict[int, Entry]] = {}
    for entry in Entries(table):
        try:
            network = ip_network(entry.key.replace("[", "").replace("]", ""))
        except ValueError:
            continue
        address, width = int(network.network_address), network.max_prefixlen
        # A table has few prefix lengths, so one lookup for each is cheaper than a walk over all earlier networks.
        for (version, length), networks in seen.items():
            if version == network.version and length <= network.prefixlen:
                first = networks.get(address >> (width - length))
                if first and first.value != entry.value:
                    yield entry, first
                    break
        key = (network.version, network.prefixlen)
        seen.setdefault(key, {}).setdefault(address >> (width - network.prefixlen), entry)


def _patterns(table: Table) -> Iterator[tuple[Entry, Entry]]:
    seen: dict[str, Entry] = {}
    everything: Entry | None = None
    for entry in Entries(table):
        first = everything or seen.get(entry.key)
        if first and first.value != entry.value:
            yield entry, first
            if everything:
                return  # all further entries have the same cause
        seen.setdefault(entry.key, entry)
        if _ANYTHING.fullmatch(entry.key) and not _NOTHING.fullmatch(entry.key):
            everything = everything or entry


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "shadowed-entry": (
        "An entry of a table of networks or patterns comes after another entry that always matches before it. Postfix "
        "uses the first match, so the later entry never answers. Move the narrower entry up, or remove it."
    ),
}
