"""Whether the rows of transport_maps route all mail of an address class. Raises nothing.

Known limit: a pattern counts for a domain if it matches one unlikely address there.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from reconciler.postfix.hashed_texts import HashedTexts
from reconciler.postfix.own_tables import knows_all, own_tables
from reconciler.postfix.patterns import first_match
from reconciler.postfix.routes import transport_of
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from reconciler.postfix.own_tables import NamedTable
    from reconciler.postfix.scopes import Scope

_ANYBODY = "zz9-nobody"


def all_routed(main: Scope, name: str) -> bool | None:
    """Return whether each domain of a list has a route with a transport; None if tables elsewhere decide that."""
    words, named = [word for word in main.words(name) if ":" not in word], own_tables(main, name)
    if not knows_all(main, name) or not all(one.is_plain for one in named) or any("/" in word for word in words):
        return None
    if not knows_all(main, "transport_maps"):
        return None
    keys = (entry.key for one in named for entry in Entries(one.table) if "@" not in entry.key)
    domains = (domain.lower() for domain in chain(words, keys))
    first = next(domains, None)
    if first is None:
        return False
    routes = own_tables(main, "transport_maps")
    rows = HashedTexts(
        entry.key.lower() for named in routes if named.is_plain for entry in Entries(named.table) if _leads(entry.value)
    )
    patterns = [named for named in routes if not named.is_plain]
    return all(domain in rows or _matched(patterns, domain) for domain in chain([first], domains))


def _matched(patterns: list[NamedTable], domain: str) -> bool:
    rows = (first_match(named.table, f"{_ANYBODY}@{domain}") for named in patterns)
    return any(row and _leads(row.value) for row in rows)


def _leads(route: str) -> bool:
    return bool(transport_of(route))
