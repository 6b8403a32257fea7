"""Rules check the whole configuration: they find what Postfix would fail on, misread or ignore, whatever wrote it.

One file holds one subject. To add a subject, write its file and add its name to RULES. postfix/ holds the knowledge of
Postfix's own language that several rules share. Nothing here performs I/O, and nothing here raises.

Invariant: it is pure, and knows nothing of features and of rendering; no rule knows another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.rules import (
    address_classes,
    alias_loops,
    behind_permit,
    block_lists,
    certificates,
    consistency,
    everybody,
    listeners,
    mail_loops,
    networks,
    open_relay,
    outbound,
    own_files,
    packages,
    passwords,
    pipes,
    prerequisites,
    protections,
    reachability,
    recipients,
    references,
    refuses_all,
    restrictions,
    routes,
    servers,
    shadowed,
    sni,
    strangers,
    table_entries,
    tables,
    unused,
    values,
)

if TYPE_CHECKING:
    from reconciler.model import Rules


RULES: tuple[Rules, ...] = (
    address_classes,
    alias_loops,
    behind_permit,
    block_lists,
    certificates,
    consistency,
    everybody,
    listeners,
    mail_loops,
    networks,
    open_relay,
    outbound,
    own_files,
    packages,
    passwords,
    pipes,
    prerequisites,
    protections,
    reachability,
    recipients,
    references,
    refuses_all,
    restrictions,
    routes,
    servers,
    shadowed,
    sni,
    strangers,
    table_entries,
    tables,
    unused,
    values,
)
