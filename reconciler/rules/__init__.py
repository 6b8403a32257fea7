"""Rules over the whole configuration: what Postfix would die of, misread or ignore, whichever feature asked for it.

There is one file for each subject. To add one, write it and add its name to RULES. What several rules need of Postfix's
own language is in postfix/. Nothing here performs I/O, and nothing here raises.

Invariant: it is pure, and knows nothing of features and of rendering; no rule knows another.
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
