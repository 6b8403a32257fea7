"""What postscreen finds must lead to an action, because its default is to ignore it. Raises nothing.

All findings are warnings. dns_lists.py checks the lists in the DNS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.own_tables import own_tables
from reconciler.postfix.scopes import scopes
from reconciler.postfix.table_parts import search
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Where

_REJECT = re.compile(rb"reject", re.IGNORECASE)
_LIST = "postscreen_access_list"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that clients which a table rejects are rejected."""
    said: set[Where] = set()
    for scope in scopes(merged, facts):
        if not scope.service or scope.service.command != "postscreen":
            continue
        parameter = scope.parameter(_LIST)
        old = "postscreen_denylist_action" not in facts.parameters
        action = "postscreen_blacklist_action" if old else "postscreen_denylist_action"
        if not parameter or parameter.where in said or scope.value(action).lower() not in {"", "ignore"}:
            continue
        tables = (named.table for named in own_tables(scope, _LIST) if search(named.table, _REJECT))
        if any(entry.value.lower() == "reject" for table in tables for entry in Entries(table)):
            said.add(parameter.where)
            what = f"{_LIST} rejects clients, but {action} is ignore: they are let in; set {action} to enforce or drop"
            yield scope.place_of(parameter).warning("screened-in-vain", parameter, what)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "screened-in-vain": (
        "A table of postscreen_access_list rejects clients, and postscreen_denylist_action is ignore, which is its "
        "default. postscreen only logs these clients, and lets them in. Set the action to enforce or drop."
    ),
}
