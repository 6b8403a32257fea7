"""Rules over the whole graph: what Postfix would die of, misread or do in silence, whichever feature asked for it.

One file a subject; to add one, write it and add its name to GRAPH. What rules and features know of Postfix's own
language (scopes, macros, next hops, the vocabulary of parameters) is here too. Pure: nothing here performs I/O, and
nothing here raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from reconciler.rules import (
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
    sni,
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


GRAPH: tuple[Rules, ...] = (
    values, tables, consistency, networks, references, restrictions, open_relay, servers, routes, listeners, pipes,
    passwords, certificates, sni, reachability, mail_loops, protections, prerequisites, recipients, unused, packages,
)  # fmt: skip
