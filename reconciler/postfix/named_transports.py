"""The delivery agents that the routes of a commit can lead to. Raises nothing.

Known limit: ``NAME:`` counts as a route to NAME wherever it stands in a table or in a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.postfix.reached import asks_elsewhere
from reconciler.postfix.routes import TRANSPORTS, transport_of
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from reconciler.model import Contribution, Facts

_AGENTS = ("local", "virtual")
_ROUTE = re.compile(r"(?<![\w./-])([\w.-]+):", re.ASCII)


def unreached_agents(merged: Contribution, facts: Facts) -> frozenset[str]:
    """Return those of local and virtual that have services, none of which a route of this configuration leads to."""
    everywhere = list(scopes(merged, facts))
    if any(map(asks_elsewhere, everywhere)):
        return frozenset()
    named = {transport_of(scope.value(name)) for scope in everywhere for name in TRANSPORTS if _routes(scope, name)}
    texts = [scope.expanded(parameter.value) or "" for scope in everywhere for parameter in scope.written]
    texts += [table.source.decode("utf-8", "surrogateescape") for table in merged.tables.values()]
    named.update(name for text in texts for name in _ROUTE.findall(text))
    services = {agent: {service.name for service in merged.entries if service.command == agent} for agent in _AGENTS}
    return frozenset(agent for agent, names in services.items() if names and not names & named)


def _routes(scope: Scope, name: str) -> bool:
    """Return whether mail goes by a transport; by default, verify(8) uses the transport of the mail itself."""
    return not name.startswith("address_verify_") or bool(scope.parameter(name))
