"""``tables/``: Postfix tables as files, and the well-known names that wire themselves.

There is no section of mail.yaml for them: a table is there because its file is. What the rules say of a table is kept
by its bytes, so that one which has not changed is not read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import RootModel

from reconciler.model import Contribution, Finding, Parameter, no_services, nothing_mentioned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts

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
# Of a file without a type of its own; postfix/sni.py says why its rows are not compiled.
_TYPES = {"sni": "texthash"}


def type_of(name: str, suffix: str) -> str:
    """The type of the table in the file ``tables/NAME.SUFFIX``; *suffix* may be empty."""
    return suffix or _TYPES.get(name, "lmdb")


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


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - a Feature
    """What is wrong with tables is said by rules/tables.py, whoever brought them."""
    yield from ()


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED: dict[str, str] = {}
