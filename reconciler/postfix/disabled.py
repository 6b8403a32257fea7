"""The services of master.cf that master(8) leaves out, because master_service_disable matches them. Raises nothing.

A pattern is a type, such as ``inet``, or a name and a type, such as ``smtp/inet``; Postfix 2.10 and before wrote
``smtp.inet``. The first pattern that matches decides, and one that begins with ``!`` keeps the service (postconf(5)).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.postfix.derived import derived
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Contribution, Facts, Service

DISABLE = "master_service_disable"


def is_disabled(service: Service, patterns: Iterable[str]) -> bool:
    """Return whether the patterns leave a service out."""
    for pattern in patterns:
        wanted = pattern.lstrip("!")
        if "/" not in wanted:
            wanted = "/".join(wanted.rsplit(".", 1))
        if (service.key if "/" in wanted else service.type).lower() == wanted.lower():
            return (len(pattern) - len(wanted)) % 2 == 0  # each "!" turns it round
    return False


@derived
def started(merged: Contribution, facts: Facts) -> Contribution:
    """Return the contribution with those services alone that master(8) starts."""
    patterns = Scope(merged, facts).words(DISABLE)
    if not patterns:
        return merged
    services = {service.key: service for service in merged.entries if not is_disabled(service, patterns)}
    return replace(merged, services=services)
