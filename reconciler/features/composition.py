"""All features in the order of their precedence, lowest first, and what they contribute together.

To add a feature, write its file and add one line to FEATURES. Raises nothing.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Protocol

from reconciler.features import (
    baseline,
    databases,
    egress,
    files,
    parameters,
    relay_mynetworks,
    sasl,
    sender_rewriting,
    services,
    sites,
    smart_host,
    stock,
    submission,
    tables,
    tls,
    transports,
)
from reconciler.features.dkim import section as dkim
from reconciler.features.dns import section as dns
from reconciler.model import Contribution, Rules, Service
from reconciler.model.past import PastOfEach
from reconciler.postfix.references import TABLE_REFERENCE

if TYPE_CHECKING:
    import re

    from reconciler.model import Desired, Facts, Parameter


_referring = PastOfEach[Service, bool]()


class Feature(Rules, Protocol):
    """The attributes of a feature's module, including its own rules."""

    SECTION: str
    """The feature's key in mail.yaml."""

    @property
    def Schema(self) -> type:  # noqa: N802 - modules name it as the class it is
        """The type of the feature's section, which pydantic validates."""

    def services(self, section: object, /) -> frozenset[str]:
        """Return the services that this feature adds and that ``services`` may change, as NAME/TYPE.

        *section* is an instance of Schema, None if mail.yaml lacks the section, or the plain value if it is invalid.
        """

    def contribute(self, desired: Desired, facts: Facts, below: Contribution) -> Contribution:
        """Return what the feature adds to *below*, the contribution of the features before it."""


FEATURES: tuple[Feature, ...] = (
    stock,
    baseline,
    relay_mynetworks,
    sasl,
    tables,
    databases,
    files,
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
    """Merge all features' contributions in their order, and replace each ``table:NAME`` with the table's reference."""
    merged = Contribution()
    for feature in FEATURES:
        merged = feature.contribute(desired, facts, merged).over(merged)
    return Contribution(
        parameters={name: _resolved(parameter, merged) for name, parameter in merged.parameters.items()},
        services=_resolved_services(merged),
        tables=merged.tables,
        companions=merged.companions,
        files=merged.files,
        master=merged.master,
    )


def _resolved_services(merged: Contribution) -> dict[str, Service | None]:
    services = dict(merged.services)
    for service in compress(merged.entries, _referring.of(merged.entries, (), _may_refer)):
        overrides = tuple(_resolved(override, merged) for override in service.overrides)
        services[service.key] = replace(service, overrides=overrides)
    return services


def _may_refer(service: Service) -> bool:
    """Return whether an option may refer to a table; none of a site's does."""
    return any("table:" in override.value for override in service.overrides)


def _resolved(parameter: Parameter, merged: Contribution) -> Parameter:
    """Resolve the references to tables; the rule ``unknown-table`` reports a name that is not a table."""
    if "table:" not in parameter.value:
        return parameter

    def reference(match: re.Match[str]) -> str:
        table = merged.tables.get(match[1]) or merged.files.get(match[1])
        return table.reference if table and table.type else match[0]

    return replace(parameter, value=TABLE_REFERENCE.sub(reference, parameter.value))
