"""The syntax of one network in a list, as match_hostaddr parses it, and what a list holds. Raises nothing."""

from __future__ import annotations

import functools
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from reconciler.model import meant
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

NETWORK_LISTS = names(
    """
    authorized_verp_clients debug_peer_list mynetworks permit_mx_backup_networks qmqpd_authorized_clients
    smtpd_authorized_verp_clients smtpd_authorized_xclient_hosts smtpd_authorized_xforward_hosts
    smtpd_client_connection_limit_exceptions smtpd_client_event_limit_exceptions
    smtpd_forbid_bare_newline_exclusions smtpd_sasl_exceptions_networks
    """
)
_NUMERIC = re.compile(r"[0-9a-fA-F.:;\[\]/-]+\Z")
_STARRED = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,2})(?:\.\*){1,3}", re.ASCII)
_FOUR = re.compile(r"\[?\d+\.\d+\.\d+\.\d+", re.ASCII)


def problem_of(pattern: str) -> str | None:
    """Return the problem with one network, or None; names, files and tables have none."""
    if match := _STARRED.fullmatch(pattern):
        octets = match[1].split(".")
        whole = ".".join((octets + ["0"] * 4)[:4])
        return f"is not a network, and would match no client{meant(f'{whole}/{8 * len(octets)}')}"
    if pattern.startswith("/") or not _NUMERIC.match(pattern):
        return None
    if ";" in pattern:
        return f"contains a semicolon, and would match no client{meant(pattern.rstrip(';'))}"
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
    return f"has no prefix length{meant(str(network))}" if mask and not is_digits(mask) else None


def holds(patterns: Iterable[str], address: IPv4Address | IPv6Address) -> bool:
    """Return whether a list of networks holds an address; the first that fits decides, names and tables never fit."""
    for pattern in patterns:
        network = _network(pattern.lstrip("!"))
        if network and address in network:
            return (len(pattern) - len(pattern.lstrip("!"))) % 2 == 0
    return False


@functools.lru_cache(maxsize=64)
def _network(pattern: str) -> IPv4Network | IPv6Network | None:
    """Return the network of a pattern; None if it has none. Thousands of addresses are compared with the same few."""
    try:
        return ip_network(pattern.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _no_address(pattern: str) -> str | None:
    """Return the problem if four numbers are no address; Postfix would read them as a host name."""
    if not _FOUR.match(pattern):
        return None
    try:
        ip_address(pattern.strip("[]"))
    except ValueError:
        hint = "a network such as 192.0.2.0/24" if "-" in pattern else None
        return f"is not an address, and would match no client{meant(hint)}"
    return None


def _why_not(bare: str) -> str:
    try:
        network = ip_network(bare, strict=False)
    except ValueError:
        return "is not a network"
    suggestion = str(network) if network.version == 4 else f"[{network.network_address}]/{network.prefixlen}"  # noqa: PLR2004
    return f"has host bits set{meant(suggestion)}"


def _bracketed(pattern: str) -> str | None:
    address, slash, length = pattern.partition("/")
    try:
        ip_address(address)
    except ValueError:
        return None
    return f"[{address}]{slash}{length}"
