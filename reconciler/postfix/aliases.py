"""Alias tables: the targets of an entry, and the keys for a whole domain. Raises nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.postfix.table_parts import begins_a_line

if TYPE_CHECKING:
    from reconciler.model import Table
    from reconciler.postfix.tables import Entry


def targets(entry: Entry) -> list[str]:
    """Return the addresses that an alias expands to."""
    value = entry.value.lower()
    # Most aliases are one address, and re.split() takes ten times as long as these two tests.
    return (
        [address for address in re.split(r"[,\s]+", value, flags=re.ASCII) if address]
        if "," in value or " " in value
        else [value]
    )


def domain_of(address: str) -> str:
    """Return ``@domain``, the key for all addresses in the domain; a name without a domain stays as it is."""
    _, at, domain = address.rpartition("@")
    return at + domain


def holds_domains(table: Table) -> bool:
    """Return whether a table has a key for all addresses of a domain."""
    return begins_a_line(table, b"@")
