"""Rules over the whole graph: what Postfix would die of, misread or do in silence, whichever feature asked for it.

One file a subject; to add one, write it and add its name to RULES. No rule knows another: what several need of
Postfix's own language is in postfix/. Pure: nothing here performs I/O, and nothing here raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

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
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, Desired, Facts, Finding


class Rules(Protocol):
    """What a subject's module holds."""

    @property
    def EXPLAINED(self) -> Mapping[str, str]:  # noqa: N802 - modules name it as the constant it is
        """What its rules mean, by their names."""

    def rules(self, desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
        """What is wrong or doubtful about *merged*, all features together."""


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
