"""Lists of networks and clients: ``mynetworks`` and its kin.

A pattern that Postfix can't parse makes the whole list fail: 451 for everybody (match_hostaddr in match_ops.c). Raises
nothing.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from reconciler.rules.scopes import scopes, words
from reconciler.rules.vocabulary import names
from reconciler.syntax import meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter
    from reconciler.rules.scopes import Scope

NETWORK_LISTS = names(
    """
    authorized_verp_clients debug_peer_list mynetworks permit_mx_backup_networks qmqpd_authorized_clients
    smtpd_authorized_verp_clients smtpd_authorized_xclient_hosts smtpd_authorized_xforward_hosts
    smtpd_client_connection_limit_exceptions smtpd_client_event_limit_exceptions
    smtpd_forbid_bare_newline_exclusions smtpd_sasl_exceptions_networks
    """
)
_NUMERIC = re.compile(r"[0-9a-fA-F.:;\[\]/-]+\Z")
_FOUR = re.compile(r"\[?\d+\.\d+\.\d+\.\d+")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every network can be parsed."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in NETWORK_LISTS:
                yield from _bad_networks(scope, parameter)


def _bad_networks(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for word in words(scope.expanded(parameter.value) or ""):
        problem, _, hint = (problem_of(word.lstrip("!")) or "").partition(";")
        if problem:
            then = "" if "match nobody" in problem else ": Postfix would answer 451 to everybody"
            what = f'{parameter.name}: "{word}" {problem}{then}{hint and ";" + hint}'
            yield scope.finding("bad-network", parameter, what, word)


def problem_of(pattern: str) -> str | None:
    """What is wrong with one network, or None; a name, a file or a table is none."""
    if pattern.startswith("/") or not _NUMERIC.match(pattern):
        return None
    if ";" in pattern:
        return f"holds a semicolon, and would match nobody{meant(pattern.rstrip(';'))}"
    if "/" not in pattern and ":" not in pattern:
        return _no_address(pattern)
    if ":" in pattern and not pattern.startswith("["):
        return f"must be in brackets{meant(_bracketed(pattern))}" if "." not in pattern else None
    bare = pattern.replace("[", "").replace("]", "")
    try:
        network = ip_network(bare)
    except ValueError:
        return _why_not(bare)
    mask = bare.partition("/")[2]
    return f"has no prefix length{meant(str(network))}" if mask and not mask.isdigit() else None


def _no_address(pattern: str) -> str | None:
    """Four numbers that are no address; Postfix would take them for a name that nobody has."""
    if not _FOUR.match(pattern):
        return None
    try:
        ip_address(pattern.strip("[]"))
    except ValueError:
        hint = "a network such as 192.0.2.0/24" if "-" in pattern else None
        return f"is not an address, and would match nobody{meant(hint)}"
    return None


def _why_not(bare: str) -> str:
    try:
        network = ip_network(bare, strict=False)
    except ValueError:
        return "is not a network"
    shown = str(network) if network.version == 4 else f"[{network.network_address}]/{network.prefixlen}"  # noqa: PLR2004
    return f"has bits of a host in it{meant(shown)}"


def _bracketed(pattern: str) -> str | None:
    address, slash, length = pattern.partition("/")
    try:
        ip_address(address)
    except ValueError:
        return None
    return f"[{address}]{slash}{length}"


EXPLAINED = {
    "bad-network": (
        "A list or table of networks holds one that Postfix can't read, or that has bits set beyond its prefix. "
        "Postfix skips it with a warning, or answers 451 to everybody. Write ADDRESS or NETWORK/PREFIX, with IPv6 "
        "in brackets in lists."
    ),
}
