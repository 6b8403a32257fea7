"""Whether other people's mail servers reach an smtpd, and whether it takes their mail. Raises nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.postfix.restrictions import FINAL, lets_pass, parsed

if TYPE_CHECKING:
    from reconciler.postfix.restrictions import Restriction
    from reconciler.postfix.scopes import Scope

_LOOPBACK = re.compile(r"(?:127\.[\d.]+|localhost|\[::1\]):", re.ASCII)
_INNER = frozenset({"loopback-only", "localhost", "127.0.0.1", "::1", "[::1]"})
_STAGES = ("client", "helo", "sender", "relay", "recipient")
_PERMITS = frozenset({"permit", "permit_auth_destination"})


def is_inner(scope: Scope) -> bool:
    """Return whether only programs of this host can connect to the service."""
    service = scope.service
    if service and service.type == "inet" and ":" in service.name:
        return bool(_LOOPBACK.match(service.name))
    return bool(service and service.type == "unix") or set(scope.words("inet_interfaces")) <= _INNER


def is_for_servers(scope: Scope) -> bool:
    """Return whether it listens where other mail servers deliver: port 25, or behind postscreen."""
    service = scope.service
    if not service or service.command not in {"smtpd", "postscreen"} or is_inner(scope):
        return False
    return service.type == "pass" or (service.type == "inet" and service.name.rpartition(":")[2] in {"smtp", "25"})


def takes_strangers(scope: Scope) -> bool:
    """Return whether a client that is in no list and has not logged in may send mail to this host's own domains."""
    return not is_inner(scope) and all(
        lets_pass(scope, f"smtpd_{stage}_restrictions", _PERMITS, FINAL) for stage in _STAGES
    )


def met_by_strangers(scope: Scope, name: str) -> list[Restriction]:
    """Return the restrictions of a list that mail of strangers for this host's own domains reaches, in order."""
    met = []
    for restriction in parsed(scope.value(name)):
        if restriction.name in FINAL | {"permit_auth_destination"}:
            break
        met.append(restriction)
    return met
