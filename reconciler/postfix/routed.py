"""The services that mail may be routed to: named by a setting, by a route in a table, or by a FILTER action.

Raises nothing. Known limit: a name that stands in a setting for another reason counts as a route.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.postfix.domain_routes import all_routed
from reconciler.postfix.references import own_name, table_inside, tables_of
from reconciler.postfix.routes import TRANSPORT_MAPS, TRANSPORTS, transport_of
from reconciler.postfix.scopes import scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.postfix.scopes import Scope

# The transport of each address class, and the domains without which it has no mail.
_CLASSES = {
    "local_transport": "mydestination", "relay_transport": "relay_domains",
    "virtual_transport": "virtual_mailbox_domains",
}  # fmt: skip
_NAMES = re.compile(rb"(?<![\w./-])([\w.-]+)(?=:)")  # before the next hop, in settings and in tables
_ALONE = re.compile(rb"(?m)[ \t]([\w.-]+)[ \t\r]*$")  # a transport without a next hop


def routed(main: Scope) -> frozenset[str]:
    """Return the names of the services that mail may reach; all of them if a table of routes is not in the commit."""
    merged = main.merged
    known = {service.name for service in merged.entries}
    if _is_hidden(main):
        return frozenset(known)
    usual = {"smtp", transport_of(main.value("default_transport"))}
    usual |= {
        transport_of(main.value(transport)) for transport, domains in _CLASSES.items() if _has_mail(main, domains)
    }
    named = {name.decode("utf-8", "replace") for text in _texts(main) for name in _NAMES.findall(text)}
    for table in merged.tables.values():
        if table.compiler != "postalias" and not table.is_secret:
            named |= {name.decode("utf-8", "replace") for name in _ALONE.findall(table.source)}
    return frozenset(known & (usual | named))


def _has_mail(main: Scope, domains: str) -> bool:
    """Return whether mail for a class of domains may take its transport; rows of transport_maps may take all of it."""
    return bool(main.words(domains)) and not all_routed(main, domains)


def _texts(main: Scope) -> Iterator[bytes]:
    """Yield each text that may name a transport; a user in an alias table is none."""
    for scope in scopes(main.merged, main.facts):
        for parameter in scope.written:
            value = scope.expanded(parameter.value) or ""
            # A class that has no domains is no route, but every other transport is.
            if parameter.name not in _CLASSES:
                yield (f"{value}:" if parameter.name in TRANSPORTS else value).encode("utf-8", "replace")
    tables = main.merged.tables.values()
    yield from (table.source for table in tables if table.compiler != "postalias" and b":" in table.source)


def _is_hidden(main: Scope) -> bool:
    """Return whether a table of routes is kept elsewhere, so that any service may have mail."""
    return any(
        own_name(reference.name) not in main.merged.tables and not table_inside(reference)
        for scope in scopes(main.merged, main.facts)
        for parameter in scope.written
        if parameter.name in TRANSPORT_MAPS
        for reference in tables_of(scope, parameter)
    )
