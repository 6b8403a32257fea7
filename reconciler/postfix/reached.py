"""The services that mail or other services can reach, as settings and tables name them. Raises nothing.

Promises: where a table outside the commit may name any service, every service counts as reached.

Known limits: for idle(), a service is used if its name occurs anywhere in a table or in a value; for the routes, if
``NAME:`` does, or if a line of a table ends with the name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model.past import PastInAPass
from reconciler.postfix.derived import derived
from reconciler.postfix.domain_routes import all_routed
from reconciler.postfix.references import own_name, table_inside, tables_of
from reconciler.postfix.restrictions import LISTS
from reconciler.postfix.routes import TRANSPORT_MAPS, TRANSPORTS, transport_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.table_parts import holds, texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from reconciler.model import Contribution, Facts, Service

# A part of a path is no name, except the socket of a service.
_WORD = re.compile(r"(?:(?<![\w./-])|(?<=\bprivate/)|(?<=\bpublic/))[\w.-]+(?![\w./-])", re.ASCII)
_NO_USE = frozenset({"smtpd_restriction_classes", "syslog_name"})
_NAMES = re.compile(r"(?<![\w./-])([\w.-]+)(?=:)", re.ASCII)  # before the next hop, in settings and in tables
_ALONE = re.compile(r"(?m)[ \t]([\w.-]+)[ \t\r]*$", re.ASCII)  # a transport without a next hop
# The transport of each address class, and the domains without which it has no mail.
_CLASSES = {
    "local_transport": "mydestination", "relay_transport": "relay_domains",
    "virtual_transport": "virtual_mailbox_domains",
}  # fmt: skip
_AGENTS = ("local", "virtual")
_found: PastInAPass[frozenset[str]] = PastInAPass(4)
"""The names in routed(), by all that they depend on."""


def words_in(texts: Iterable[str]) -> set[str]:
    """Return every word of the texts that could be a name."""
    return {word for text in texts for word in _WORD.findall(text)}


def named_words(merged: Contribution, everywhere: Iterable[Scope], among: Iterable[str]) -> set[str]:
    """Return those of some names that are words of values or of tables."""
    sought = frozenset(among)
    values = [
        scope.expanded(parameter.value) or parameter.value
        for scope in everywhere
        for parameter in scope.written
        if parameter.name not in _NO_USE
    ]
    names = words_in(values) & sought
    return names.union(*(texts(table, _WORD, sought) for table in merged.tables.values()))


def asks_elsewhere(scope: Scope) -> bool:
    """Return whether a table outside the commit may answer with a transport."""
    names = {one.name for one in scope.written if one.name in LISTS or one.name.endswith("_checks")}
    return _asks_elsewhere(scope, names | TRANSPORT_MAPS)


def _asks_elsewhere(scope: Scope, names: Collection[str]) -> bool:
    """Return whether one of these settings asks a table outside the commit."""
    return any(
        own_name(reference.name, scope.facts.directory) not in scope.merged.tables and not table_inside(reference)
        for parameter in scope.written
        if parameter.name in names
        for reference in tables_of(scope, parameter)
    )


def idle(services: Iterable[Service], merged: Contribution, facts: Facts) -> set[str]:
    """Return the keys of those services that nothing connects to: of type unix, and named nowhere."""
    hidden = [service for service in services if service.type == "unix"]
    if not hidden:
        return set()
    everywhere = scopes(merged, facts)
    if any(map(asks_elsewhere, everywhere)):
        return set()
    named = named_words(merged, everywhere, (service.name for service in hidden))
    return {service.key for service in hidden if service.name not in named}


# ---- routes ----------------------------------------------------------------------------------------------------------


def routed(main: Scope) -> frozenset[str]:
    """Return the names of the services that mail may reach; all of them if a table of routes is not in the commit."""
    merged, facts = main.merged, main.facts
    depends = merged.parameters, merged.services, merged.tables, merged.alike, facts.parameters
    return _found.of(depends, lambda: _routed(merged, facts))


def _routed(merged: Contribution, facts: Facts) -> frozenset[str]:
    main, known = Scope(merged, facts), merged.names
    if any(_asks_elsewhere(scope, TRANSPORT_MAPS) for scope in scopes(merged, facts)):
        return known
    classes = {
        transport_of(main.value(transport)) for transport, domains in _CLASSES.items() if _has_mail(main, domains)
    }
    named = _named(main, known)
    return known & ({"smtp", transport_of(main.value("default_transport"))} | classes | named)


def _has_mail(main: Scope, domains: str) -> bool:
    """Return whether mail for a class of domains may take its transport; rows of transport_maps may take all of it."""
    return bool(main.words(domains)) and not all_routed(main, domains)


@derived
def unreached_agents(merged: Contribution, facts: Facts) -> frozenset[str]:
    """Return those of local and virtual that have services, none of which a route of this configuration leads to.

    A class of addresses counts as a route even without a domain: local also takes mail for the host's own addresses.
    """
    everywhere = scopes(merged, facts)
    if any(map(asks_elsewhere, everywhere)):
        return frozenset()
    classes = {transport_of(scope.value(name)) for scope in everywhere for name in _CLASSES}
    reached = routed(everywhere[0]) | classes
    services = {agent: {service.name for service in merged.running(agent)} for agent in _AGENTS}
    return frozenset(agent for agent, names in services.items() if names and not names & reached)


def _named(main: Scope, known: frozenset[str]) -> set[str]:
    """Return the known services that a setting, a route in a table or a FILTER action names, but class transports.

    A user in an alias table is none.
    """
    names = {name for text in _values(main) for name in _NAMES.findall(text)}
    for table in main.merged.tables.values():
        if table.compiler != "postalias":
            names |= texts(table, _NAMES, known) if holds(table, b":") else set()
            names |= texts(table, _ALONE, known) if not table.is_secret else set()
    return names


def _values(main: Scope) -> Iterator[str]:
    """Yield each value that may name a transport."""
    for scope in scopes(main.merged, main.facts):
        for parameter in scope.written:
            value = scope.expanded(parameter.value) or ""
            # A class that has no domains is no route, but every other transport is.
            if parameter.name not in _CLASSES:
                yield f"{value}:" if parameter.name in TRANSPORTS else value
