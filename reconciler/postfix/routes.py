"""The parameters and tables that contain transports and next hops. Raises nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import did_you_mean
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.scopes import Scope, words
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.model import Parameter

TRANSPORT_MAPS = names(
    """
    address_verify_sender_dependent_default_transport_maps address_verify_transport_maps fallback_transport_maps
    mailbox_transport_maps sender_dependent_default_transport_maps transport_maps
    """
)
BY_SENDER = names("address_verify_sender_dependent_default_transport_maps sender_dependent_default_transport_maps")
RELAY_MAPS = frozenset({"sender_dependent_relayhost_maps", "address_verify_sender_dependent_relayhost_maps"})
TRANSPORTS = names(
    """
    address_verify_default_transport address_verify_local_transport address_verify_relay_transport
    address_verify_virtual_transport best_mx_transport content_filter default_transport fallback_transport
    local_transport mailbox_transport relay_transport virtual_transport
    """
)
FALLBACK = {"smtp_fallback_relay": False, "lmtp_fallback_relay": True}
_HOST = re.compile(r"\[.*|[^:/\s][^:/\s.]*\.[^:/\s]*(?::\w+)?", re.ASCII)


def transport_of(value: str) -> str:
    """Return the transport of ``transport:nexthop``; it is empty for the default transport."""
    return value.partition(":")[0].strip(SPACE)


def unknown_transport(value: str, known: Collection[str]) -> str | None:
    """Return the problem with the transport of ``transport:nexthop``, or None."""
    name = transport_of(value)
    if not name or name in known:
        return None
    hint = did_you_mean(name, known) or (f"; did you mean smtp:{value}?" if _HOST.fullmatch(value) else "")
    return f'unknown transport "{name}": there is no such service, and mail would wait ("transport unavailable"){hint}'


def destinations(scope: Scope, parameter: Parameter) -> list[str]:
    """Return the ``transport:nexthop`` values in a setting, including those in static: and inline: tables."""
    value = (scope.expanded(parameter.value) or "").strip(SPACE)
    if parameter.name in TRANSPORTS:
        return [value]
    if parameter.name in TRANSPORT_MAPS:
        return values_in(value)
    return []


def values_in(text: str) -> list[str]:
    """Return the values of the static: and inline: tables in a setting."""
    values = []
    for word in words(text):
        if word.startswith("static:"):
            values.append(word.removeprefix("static:").strip("{}").strip(SPACE))
        elif word.startswith("inline:{"):
            pairs = words(word[len("inline:{") : -1])
            values += [pair.strip("{}").partition("=")[2].strip(SPACE) for pair in pairs if "=" in pair]
    return values
