"""Mail knowledge: one file a feature, each with its section's schema, its rules and its contribution.

To add a feature, write its file and add one line to FEATURES. The order is that of precedence, lowest first. Nothing
here performs I/O, and nothing here raises.

Invariant: it is pure, and knows nothing of the rules over the whole configuration and of rendering.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from reconciler.features import (
    baseline,
    egress,
    parameters,
    relay_mynetworks,
    sasl,
    sender_rewriting,
    services,
    sites,
    smart_host,
    submission,
    tables,
    tls,
    transports,
)
from reconciler.features.dkim import section as dkim
from reconciler.features.dns import section as dns
from reconciler.model import Contribution, Rules
from reconciler.postfix.references import TABLE_REFERENCE

if TYPE_CHECKING:
    import re

    from reconciler.model import Desired, Facts, Parameter, Service


class Feature(Rules, Protocol):
    """What a feature's module holds, its own rules among it."""

    SECTION: str
    """Its key in mail.yaml."""

    @property
    def Schema(self) -> type:  # noqa: N802 - modules name it as the class it is
        """The type of its section, which pydantic validates."""

    def services(self, section: object, /) -> frozenset[str]:
        """The services that ``services`` may change because this feature brings them, as NAME/TYPE.

        *section* is of its Schema; None where nobody wrote it, and the plain value where that does not fit.
        """

    def contribute(self, desired: Desired, facts: Facts, below: Contribution) -> Contribution:
        """What it adds to *below*, which the features before it contributed."""


FEATURES: tuple[Feature, ...] = (
    baseline,
    relay_mynetworks,
    sasl,
    tables,
    tls,
    smart_host,
    transports,
    sites,
    submission,
    dkim,
    dns,
    egress,
    services,
    sender_rewriting,
    parameters,
)


def compose(desired: Desired, facts: Facts) -> Contribution:
    """All features' contributions merged in their order, ``table:NAME`` replaced by the table it stands for."""
    merged = Contribution()
    for feature in FEATURES:
        merged = feature.contribute(desired, facts, merged).over(merged)
    return Contribution(
        parameters={name: _resolved(parameter, merged) for name, parameter in merged.parameters.items()},
        services={service.key: _resolved_service(service, merged) for service in merged.entries},
        tables=merged.tables,
        companions=merged.companions,
    )


def _resolved_service(service: Service, merged: Contribution) -> Service:
    return replace(service, overrides=tuple(_resolved(override, merged) for override in service.overrides))


def _resolved(parameter: Parameter, merged: Contribution) -> Parameter:
    """A name that is no table stays as it is: the rule ``unknown-table`` speaks of it."""
    if "table:" not in parameter.value:
        return parameter

    def reference(match: re.Match[str]) -> str:
        table = merged.tables.get(match[1])
        return table.reference if table else match[0]

    return replace(parameter, value=TABLE_REFERENCE.sub(reference, parameter.value))
