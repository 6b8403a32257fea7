"""Milters and policy servers must have an address that Postfix can read: ``inet:HOST:PORT`` or ``unix:PATH``.

smtpd(8) exits, or answers 451 to every client, if it can't read such an address. reachability.py checks whether a
server listens there. Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import did_you_mean, meant, nothing_mentioned
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.nexthops import is_host, port_names
from reconciler.postfix.numbers import as_number
from reconciler.postfix.restrictions import LISTS, parsed
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_MILTERS = frozenset({"smtpd_milters", "non_smtpd_milters"})
_KINDS = ("inet", "unix", "local")
_MAX_PORT = 65535


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that Postfix can read the address of each server."""
    ports = port_names(Scope(merged, facts))
    for scope in scopes(merged, facts):
        lists = {*LISTS, *scope.words("smtpd_restriction_classes")}
        for parameter in scope.written:
            for endpoint in _endpoints(scope, parameter, lists):
                if problem := bad_endpoint(endpoint, ports):
                    what = f'{parameter.name}: "{endpoint}" {problem}'
                    yield scope.finding("malformed-endpoint", parameter, what, endpoint)


def _endpoints(scope: Scope, parameter: Parameter, lists: Collection[str]) -> Iterator[str]:
    """Yield the address of each server, without the options that may follow it in braces."""
    if parameter.name in _MILTERS:
        named = words(scope.expanded(parameter.value) or "")
    elif parameter.name in lists:
        restrictions = parsed(scope.expanded(parameter.value) or "")
        policies = (restriction for restriction in restrictions if restriction.name == "check_policy_service")
        named = [policy.argument for policy in policies if policy.argument]
    else:
        return
    for text in named:
        yield from words(text[1:-1])[:1] if text.startswith("{") else [text]


def bad_endpoint(text: str, ports: Collection[str]) -> str | None:
    """Return what is wrong with the address of a server, or None."""
    kind, colon, rest = text.partition(":")
    if kind not in _KINDS or not colon:
        known = f"unix:{text}" if "/" in text else f"inet:{text}" if re.fullmatch(r"\S+:\w+", text, re.ASCII) else None
        return f"must begin with inet: or unix:, or smtpd would answer 451 or exit{meant(known)}"
    if kind != "inet":
        return None if rest else "names no socket: smtpd would answer 451 or exit"
    _, colon, port = rest.rpartition(":")
    if not colon and not is_digits(port) and is_host(port) and port not in ports:
        return f"has no port: smtpd would exit; write inet:{port}:PORT"
    if is_digits(port):
        fits = 0 < as_number(port) <= _MAX_PORT
        return None if fits else f"has no port between 1 and {_MAX_PORT}: smtpd would exit"
    return None if port in ports else f'has the unknown port "{port}": smtpd would exit{did_you_mean(port, ports)}'


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "malformed-endpoint": (
        "The address of a Milter or policy server can't be read. smtpd exits, or answers 451 to every client. Write "
        "inet:HOST:PORT or unix:PATH."
    ),
}
