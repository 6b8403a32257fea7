"""Where mail is sent: every transport that a parameter or a table names must be a service of master.cf.

trivial-rewrite passes any name on; qmgr then defers with "mail transport unavailable". Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.features.scopes import Scope, scopes, words
from reconciler.features.vocabulary import names
from reconciler.model import Severity
from reconciler.syntax import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

TRANSPORT_MAPS = names(
    """
    address_verify_sender_dependent_default_transport_maps address_verify_transport_maps fallback_transport_maps
    mailbox_transport_maps sender_dependent_default_transport_maps transport_maps
    """
)
_TRANSPORTS = names(
    """
    address_verify_default_transport address_verify_local_transport address_verify_relay_transport
    address_verify_virtual_transport best_mx_transport content_filter default_transport fallback_transport
    local_transport mailbox_transport relay_transport virtual_transport
    """
)
_TRANSPORT_NAME = re.compile(r"[A-Za-z0-9._-]+\Z")


def transports(merged: Contribution) -> set[str]:
    """The names by which qmgr(8) can reach a delivery agent: the private services of type unix."""
    return {service.name for service in merged.entries if service.type == "unix" and service.private != "n"}


def transport_of(value: str) -> str:
    """The transport of ``transport:nexthop``; empty when the default is meant."""
    return value.partition(":")[0].strip()


def unknown_transport(name: str, known: Collection[str]) -> str | None:
    """What is wrong with the name of a transport, or None."""
    if not name or name in known or not _TRANSPORT_NAME.match(name):
        return None
    hint = did_you_mean(name, known)
    return f'unknown transport "{name}": there is no such service, and mail would wait ("transport unavailable"){hint}'


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every transport and every service that a parameter names is there."""
    known = transports(merged)
    every = {service.name for service in merged.entries}
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for value in _values(scope, parameter):
                if problem := unknown_transport(transport_of(value), known):
                    what = f"{parameter.name}: {problem}"
                    yield scope.finding("unknown-transport", parameter, what, value)
            yield from _unknown_service(scope, parameter, every)
            yield from _unknown_deferred(scope, parameter, known)


def _values(scope: Scope, parameter: Parameter) -> list[str]:
    """The ``transport:nexthop`` values in a setting, those of static: tables included."""
    value = (scope.expanded(parameter.value) or "").strip()
    if parameter.name in _TRANSPORTS:
        return [value]
    if parameter.name in TRANSPORT_MAPS:
        return [word.removeprefix("static:") for word in words(value) if word.startswith("static:") and "{" not in word]
    return []


def _unknown_service(scope: Scope, parameter: Parameter, every: set[str]) -> Iterator[Finding]:
    name = (scope.expanded(parameter.value) or "").strip()
    if not parameter.name.endswith("_service_name") or name == scope.facts.parameters.get(parameter.name):
        return
    if name and name not in every:
        hint = did_you_mean(name, every)
        what = f'unknown service "{name}" in {parameter.name}: master.cf has no such service{hint}'
        yield scope.finding("unknown-service", parameter, what, name)


def _unknown_deferred(scope: Scope, parameter: Parameter, known: set[str]) -> Iterator[Finding]:
    if parameter.name == "defer_transports":
        for name in words(scope.expanded(parameter.value) or ""):
            if problem := unknown_transport(name, known):
                what = f"defer_transports: {problem.partition(':')[0]}: it defers nothing{did_you_mean(name, known)}"
                yield scope.finding("unknown-transport", parameter, what, name, severity=Severity.WARNING)
