"""An open relay: whoever asks may send anywhere, by mynetworks, by relay_domains, or by an access table's OK.

Patterns are tried with a few addresses and domains of strangers; what matches all of them matches everybody. Raises
nothing.

Known limits: tables outside the commit are not read, and entries inside an ``if`` block are only told of.
"""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Severity, Table, nothing_mentioned
from reconciler.postfix.references import own_name, table_inside, tables_in
from reconciler.postfix.restrictions import PROTECTION, WITH_TABLE, parsed, relays_mynetworks, smtpd_scopes
from reconciler.postfix.tables import PATTERN_TYPES, Entries, Entry, has_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Network, IPv6Network

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter
    from reconciler.postfix.references import Reference
    from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    Network = IPv4Network | IPv6Network
_WIDEST = {4: 8, 6: 16}  # prefix lengths: a shorter one is much of the Internet, and no host's own network
_LISTS = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_XCLIENT = "smtpd_authorized_xclient_hosts"
_CLIENTS = ("8.8.8.8", "91.198.174.192", "145.97.39.155", "203.0.113.77")
_DOMAINS = ("example.com", "mail.stranger.net", "a.b.co.uk", "xn--bcher-kva.de")
_ADDRESSES = ("a.stranger@example.com", "info@mail.stranger.net", "x@a.b.co.uk")
_FORGED = frozenset({"check_sender_access", "check_helo_access"})
_LOOPBACK = re.compile(r"(?:127\.[\d.]+|localhost|\[::1\]):")


class _Match(NamedTuple):
    """What lets strangers in, and whether that is sure."""

    what: str
    sure: bool = True


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Nobody relays for the whole world."""
    reported = set()
    for scope in smtpd_scopes(merged, facts):
        for name, finding in (*_open_to_all(scope), *_impostors(scope)):
            if (name, finding.where) not in reported:
                reported.add((name, finding.where))
                yield finding


def _open_to_all(scope: Scope) -> Iterator[tuple[str, Finding]]:
    """Relaying for whoever asks, where strangers can connect."""
    trusted, relayed = scope.parameter("mynetworks"), scope.parameter("relay_domains")
    if trusted and relays_mynetworks(scope):
        for word in scope.words("mynetworks"):
            if who := _too_wide(word) or _matched(scope, word, _CLIENTS):
                what = f'open relay: "{word}" in mynetworks {who.what}, and permit_mynetworks lets all of it relay'
                yield "mynetworks", _finding(scope, trusted, what, word, sure=who.sure)
    for word in scope.words("relay_domains") if relayed else ():
        if relayed and (who := _matched(scope, word, _DOMAINS)):
            what = f'open relay: "{word}" in relay_domains holds every domain there is ({who.what})'
            yield "relay_domains", _finding(scope, relayed, what, word, sure=who.sure)
    for name in _LISTS:
        parameter = scope.parameter(name)
        if parameter and all(_lets_in(scope, other) for other in _LISTS):
            for word, who in _before_protection(scope, name):
                what = f'open relay: "{word}" in {name} {who.what}, and stands ahead of the relay protection; move it'
                about = f"{what} behind reject_unauth_destination, or answer DUNNO"
                yield name, _finding(scope, parameter, about, word, sure=who.sure)


def _impostors(scope: Scope) -> Iterator[tuple[str, Finding]]:
    """Clients that may say that they are somebody else, by XCLIENT."""
    parameter = scope.parameter(_XCLIENT)
    for word in scope.words(_XCLIENT) if parameter else ():
        if parameter and (who := _too_wide(word) or _matched(scope, word, _CLIENTS)):
            what = f'open relay: "{word}" in {_XCLIENT} {who.what}, and all of it may say that it is a client of'
            yield _XCLIENT, _finding(scope, parameter, f"{what} mynetworks, or has logged in", word, sure=who.sure)


def _finding(scope: Scope, parameter: Parameter, text: str, about: str, *, sure: bool) -> Finding:
    """At the place where the parameter is written."""
    inner = scope.value("inet_interfaces").strip() == "loopback-only"
    inner = inner or bool(scope.service and _LOOPBACK.match(scope.service.name))
    severity = Severity.ERROR if sure and not inner else Severity.WARNING
    return scope.place_of(parameter).finding("open-relay", parameter, text, about, severity=severity)


# ---- lists of networks and domains -----------------------------------------------------------------------------------


def _too_wide(word: str) -> _Match | None:
    try:
        network = ip_network(word.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
    if network.prefixlen < _WIDEST[network.version]:
        return None if network.is_private else _Match(_size(network))
    public = network.is_global and network.prefixlen < 2 * _WIDEST[network.version]
    return _Match("is a large part of the Internet", sure=False) if public else None


def _size(network: Network) -> str:
    return "is the whole Internet" if network.prefixlen == 0 else "holds a great part of the Internet"


def _matched(scope: Scope, word: str, strangers: tuple[str, ...]) -> _Match | None:
    """How a table matches every stranger, whatever it answers; one behind a "!" keeps them out."""
    for reference in tables_in(word) if not word.startswith("!") else ():
        if reference.type == "static":
            return _Match("matches everything")
        for table in _tables(scope, reference):
            if entry := next(_entries_for_all(table, strangers), None):
                sure = not has_blocks(table)
                return _Match(f'matches everything by its "{entry.key}"', sure)
    return None


def _tables(scope: Scope, reference: Reference) -> Iterator[Table]:
    """The table behind a reference, so far as the commit holds it."""
    if inside := table_inside(reference):
        yield inside
    elif table := scope.merged.tables.get(own_name(reference.name) or ""):
        yield table


def _entries_for_all(table: Table, strangers: Iterable[str]) -> Iterator[Entry]:
    """The entries that match every one of the strangers."""
    if table.type == "cidr":
        yield from (entry for entry in Entries(table) if _covers(entry.key))
    elif table.type in PATTERN_TYPES:
        yield from (entry for entry in Entries(table) if all(_matches(entry.key, stranger) for stranger in strangers))


def _covers(key: str) -> bool:
    """Whether a network of a cidr table, or all but that network, is the whole Internet or nearly so."""
    with suppress(ValueError):
        network = ip_network(key.lstrip("! ").replace("[", "").replace("]", ""), strict=False)
        if key.startswith("!"):
            return network.prefixlen > 0
        return network.prefixlen < _WIDEST[network.version] and not network.is_private
    return False


def _matches(key: str, text: str) -> bool:
    """Whether a pattern, in its slashes and with its flags, matches; unknown syntax does not."""
    pattern = key.lstrip("!")
    body, _, flags = pattern[1:].rpartition(pattern[:1])
    with suppress(re.error, RecursionError):
        matches = re.search(body, text, 0 if "i" in flags else re.IGNORECASE) is not None
        return matches != key.startswith("!")
    return False


# ---- restrictions ----------------------------------------------------------------------------------------------------


def _lets_in(scope: Scope, name: str) -> bool:
    """Whether a stranger's mail for elsewhere gets through a list."""
    for restriction in parsed(scope.value(name)):
        if restriction.name in PROTECTION:
            return False
        if restriction.name == "permit" or _answers_ok(scope, restriction.name, restriction.argument):
            return True
    return True


def _before_protection(scope: Scope, name: str) -> Iterator[tuple[str, _Match]]:
    restrictions = parsed(scope.value(name))
    if not any(restriction.name in PROTECTION for restriction in restrictions):
        return
    for restriction in restrictions:
        if restriction.name in PROTECTION or restriction.name == "permit":
            return
        if who := _answers_ok(scope, restriction.name, restriction.argument):
            yield f"{restriction.name} {restriction.argument}", who


def _answers_ok(scope: Scope, name: str, argument: str | None) -> _Match | None:
    """Whether an access table permits all strangers, or those who forge a name."""
    for reference in tables_in(argument or "") if name in WITH_TABLE else ():
        if reference.type == "static":
            return _Match("permits everybody") if _permits(reference.name.strip("{} ")) else None
        for table in _tables(scope, reference):
            strangers = _CLIENTS if name == "check_client_access" else _ADDRESSES
            matching = list(_entries_for_all(table, strangers))
            # Addresses of one family match no network of the other: in a cidr table each has its own first match.
            firsts = {
                ":" in entry.key and table.type == "cidr": entry for entry in reversed(matching)
            }  # of each family
            if first := next((entry for entry in firsts.values() if _permits(entry.value)), None):
                return _Match(f'permits everybody by its "{first.key}"', sure=not has_blocks(table))
            forged = (entry for entry in Entries(table) if name in _FORGED and _permits(entry.value))
            if entry := next(forged, None):
                return _Match(f'permits whoever calls himself "{entry.key}"', sure=False)
    return None


def _permits(value: str) -> bool:
    return value.lower() in {"ok", "permit"} or value.isdigit()


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "open-relay": (
        "Strangers could send mail to anywhere through this host: by mynetworks, by relay_domains, by saying that they "
        "are somebody else (smtpd_authorized_xclient_hosts), or by a table's OK that stands ahead of "
        "reject_unauth_destination. Spammers find such a host within hours, and then nobody takes its mail. Narrow the "
        "list, or move the table behind the relay protection."
    ),
}
