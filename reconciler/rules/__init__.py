"""Rules over the whole graph: what Postfix would die of, misread or do in silence, whichever feature asked for it.

One file a subject; to add one, write it and add its name to RULES. No rule knows another: what several need of
Postfix's own language is in postfix/. Pure: nothing here performs I/O, and nothing here raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.rules import (
    alias_loops,
    certificates,
    consistency,
    listeners,
    mail_loops,
    networks,
    open_relay,
    packages,
    passwords,
    pipes,
    prerequisites,
    protections,
    reachability,
    recipients,
    references,
    restrictions,
    routes,
    servers,
    shadowed,
    sni,
    table_entries,
    tables,
    unused,
    values,
)

if TYPE_CHECKING:
    from reconciler.model import Rules


RULES: tuple[Rules, ...] = (
    alias_loops,
    certificates,
    consistency,
    listeners,
    mail_loops,
    networks,
    open_relay,
    packages,
    passwords,
    pipes,
    prerequisites,
    protections,
    reachability,
    recipients,
    references,
    restrictions,
    routes,
    servers,
    shadowed,
    sni,
    table_entries,
    tables,
    unused,
    values,
)
