"""``tables/``: Postfix tables as files, and the well-known names that set a parameter.

mail.yaml has no section for them: a table exists because its file exists. rules/tables.py checks the tables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.features.section import SectionValue
from reconciler.model import Contribution, Finding, Parameter, no_services, nothing_mentioned, warning_at
from reconciler.postfix.scopes import scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Where

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
    "sni": "tls_server_sni_maps",
}
# Types of files without a suffix; postfix/sni.py says why its rows are not compiled.
_TYPES = {"sni": "texthash"}


def type_of(name: str, suffix: str) -> str:
    """Return the type of the table in the file ``tables/NAME.SUFFIX``; *suffix* may be empty."""
    return suffix or _TYPES.get(name, "lmdb")


class Schema(SectionValue[None]):
    """The key ``tables:`` can't have a value."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute every table, and the parameter that each well-known name sets."""
    wired = {
        WIRED[name]: Parameter(WIRED[name], table.reference, table.where, SECTION)
        for name, table in desired.tables.items()
        if name in WIRED
    }
    if table := desired.tables.get("aliases"):
        # newaliases(1) must not rebuild a map that belongs to a generation.
        wired["alias_database"] = Parameter("alias_database", "", table.where, SECTION)
    return Contribution(parameters=wired, tables=desired.tables)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that no other value of its parameter leaves a well-known table out; rules/tables.py checks all tables."""
    for name in WIRED.keys() & desired.tables.keys():
        yield from left_out(name, desired.tables[name].where, facts, merged)


def left_out(name: str, where: Where, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Warn if another value of the parameter of a well-known name leaves that table out, and nothing else names it."""
    parameter = merged.parameters.get(WIRED[name])
    if not parameter or parameter.section == SECTION:
        return
    written = (one.value for scope in scopes(merged, facts) for one in scope.written)
    if not any(re.search(rf"[:/]{name}\b", value, re.ASCII) for value in written):
        what = f'nothing uses table {name}: {parameter.name} is "{parameter.value}" in {parameter.where}'
        yield warning_at("unused-table", where, f"{what}; did you mean table:{name} there?", name)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED: dict[str, str] = {}
