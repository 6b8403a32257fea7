"""Lists of networks and clients: ``mynetworks`` and its kin, and an open relay through them.

A pattern that Postfix can't parse makes the whole list fail: 451 for everybody (match_hostaddr in match_ops.c). Raises
nothing.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from reconciler.features.restrictions import relays_mynetworks, smtpd_scopes
from reconciler.features.scopes import Scope, scopes, words
from reconciler.features.vocabulary import names
from reconciler.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

    Network = IPv4Network | IPv6Network

NETWORK_LISTS = names(
    """
    authorized_verp_clients debug_peer_list mynetworks permit_mx_backup_networks qmqpd_authorized_clients
    smtpd_authorized_verp_clients smtpd_authorized_xclient_hosts smtpd_authorized_xforward_hosts
    smtpd_client_connection_limit_exceptions smtpd_client_event_limit_exceptions
    smtpd_forbid_bare_newline_exclusions smtpd_sasl_exceptions_networks
    """
)
_NUMERIC = re.compile(r"[0-9a-fA-F.:\[\]/]+\Z")
_WIDEST = {4: 8, 6: 16}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every network can be parsed, and nobody relays for the whole world."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in NETWORK_LISTS:
                yield from _bad_networks(scope, parameter)
    told = set()
    for scope in smtpd_scopes(merged, facts):
        for name, finding in _open_to_all(scope):
            if (name, finding.where) not in told:
                told.add((name, finding.where))
                yield finding


def _bad_networks(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for word in words(scope.expanded(parameter.value) or ""):
        problem, _, hint = (problem_of(word.lstrip("!")) or "").partition(";")
        if problem:
            what = f'{parameter.name}: "{word}" {problem}: Postfix would answer 451 to everybody{hint and ";" + hint}'
            yield scope.finding("bad-network", parameter, what, word)


def problem_of(pattern: str) -> str | None:
    """What is wrong with one network, or None; a name, a file or a table is none."""
    if not _NUMERIC.match(pattern) or not ("/" in pattern or ":" in pattern):
        return None
    if pattern.startswith("/"):
        return None
    if ":" in pattern and not pattern.startswith("["):
        return f"must be in brackets{_suggestion(_bracketed(pattern))}" if "." not in pattern else None
    bare = pattern.replace("[", "").replace("]", "")
    try:
        ip_network(bare)
    except ValueError:
        return _why_not(bare)
    return None


def _why_not(bare: str) -> str:
    try:
        network = ip_network(bare, strict=False)
    except ValueError:
        return "is not a network"
    shown = str(network) if network.version == 4 else f"[{network.network_address}]/{network.prefixlen}"  # noqa: PLR2004
    return f"has bits of a host in it{_suggestion(shown)}"


def _bracketed(pattern: str) -> str | None:
    address, slash, length = pattern.partition("/")
    try:
        ip_address(address)
    except ValueError:
        return None
    return f"[{address}]{slash}{length}"


def _suggestion(text: str | None) -> str:
    return f"; did you mean {text}?" if text else ""


# ---- open relay ------------------------------------------------------------------------------------------------------


def _open_to_all(scope: Scope) -> Iterator[tuple[str, Finding]]:
    """Relaying for whoever asks, where strangers can connect."""
    inner = scope.value("inet_interfaces").strip() == "loopback-only"
    trusted, relayed = scope.parameter("mynetworks"), scope.parameter("relay_domains")
    if trusted and relays_mynetworks(scope):
        for word in scope.words("mynetworks"):
            if problem := _too_wide(word):
                severity = Severity.WARNING if inner or problem.startswith("is a large") else Severity.ERROR
                what = f'open relay: "{word}" in mynetworks {problem}, and permit_mynetworks lets all of it relay'
                yield "mynetworks", _place(scope, trusted).finding("open-relay", trusted, what, word, severity=severity)
    if relayed and any(word.startswith("static:") for word in scope.words("relay_domains")):
        what = f'open relay: relay_domains is "{relayed.value}", which holds every domain there is'
        severity = Severity.WARNING if inner else Severity.ERROR
        yield "relay_domains", _place(scope, relayed).finding("open-relay", relayed, what, severity=severity)


def _place(scope: Scope, parameter: Parameter) -> Scope:
    """The scope in which the parameter is written."""
    return scope if scope.service and parameter in scope.service.overrides else Scope(scope.merged, scope.facts)


def _too_wide(word: str) -> str | None:
    if word.startswith("static:"):
        return "matches every client"
    try:
        network = ip_network(word.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
    if network.prefixlen < _WIDEST[network.version]:
        return _size(network) if not network.is_private else None
    public = network.is_global and network.prefixlen < 2 * _WIDEST[network.version]
    return "is a large part of the Internet" if public else None


def _size(network: Network) -> str:
    return "is the whole Internet" if network.prefixlen == 0 else "holds a great part of the Internet"
