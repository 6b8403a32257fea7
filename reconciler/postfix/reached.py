"""The names that settings and tables mention, and whether a service is used by name. Raises nothing.

Known limit: a service counts as used if its name occurs anywhere in a table or in a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.restrictions import LISTS
from reconciler.postfix.routes import TRANSPORT_MAPS
from reconciler.postfix.scopes import scopes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Contribution, Facts, Service
    from reconciler.postfix.scopes import Scope

# A part of a path is no name, except the socket of a service.
_WORD = re.compile(r"(?:(?<![\w./-])|(?<=\bprivate/)|(?<=\bpublic/))[\w.-]+(?![\w./-])", re.ASCII)
_NO_USE = frozenset({"smtpd_restriction_classes", "syslog_name"})


def words_in(texts: Iterable[str]) -> set[str]:
    """Return every word of the texts that could be a name."""
    return {word for text in texts for word in _WORD.findall(text)}


def named_words(merged: Contribution, everywhere: Iterable[Scope]) -> set[str]:
    """Return every word of values and tables that could be a name."""
    texts = [
        scope.expanded(parameter.value) or parameter.value
        for scope in everywhere
        for parameter in scope.written
        if parameter.name not in _NO_USE
    ]
    names = words_in(texts)
    for table in merged.tables.values():
        names.update(_WORD.findall(table.source.decode("utf-8", "surrogateescape")))
    return names


def asks_elsewhere(scope: Scope) -> bool:
    """Return whether a table outside the commit may answer with a transport."""
    for parameter in scope.written:
        if parameter.name in TRANSPORT_MAPS or parameter.name in LISTS or parameter.name.endswith("_checks"):
            for reference in tables_of(scope, parameter):
                inside = reference.type in {"inline", "static"} or own_name(reference.name) in scope.merged.tables
                if not inside:
                    return True
    return False


def idle(services: Iterable[Service], merged: Contribution, facts: Facts) -> set[str]:
    """Return the keys of those services that nothing connects to: of type unix, and named nowhere."""
    hidden = [service for service in services if service.type == "unix"]
    if not hidden:
        return set()
    everywhere = list(scopes(merged, facts))
    if any(map(asks_elsewhere, everywhere)):
        return set()
    named = named_words(merged, everywhere)
    return {service.key for service in hidden if service.name not in named}
