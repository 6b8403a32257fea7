"""A host must not be an open relay: by mynetworks, by relay_domains, or by an OK of an access table.

The rule tries patterns with a few addresses and domains of strangers; a pattern that matches all of them counts as one
that matches everything. Raises nothing.

Known limits: the rule does not read tables outside the commit, and only warns of entries in a table with ``if`` blocks.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Severity, Table, nothing_mentioned
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.postfix.patterns import matches
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
_WIDEST = {4: 8, 6: 16}  # prefix lengths; a shorter one covers much of the Internet, and is no host's own network
_LISTS = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_XCLIENT = "smtpd_authorized_xclient_hosts"
_CLIENTS = ("8.8.8.8", "91.198.174.192", "145.97.39.155", "203.0.113.77")
_DOMAINS = ("example.com", "mail.stranger.net", "a.b.co.uk", "xn--bcher-kva.de")
_ADDRESSES = ("a.stranger@example.com", "info@mail.stranger.net", "x@a.b.co.uk")
_FORGED = frozenset({"check_sender_access", "check_helo_access"})
_LOOPBACK = re.compile(r"(?:127\.[\d.]+|localhost|\[::1\]):", re.ASCII)


class _Match(NamedTuple):
    """How a list or table lets strangers in, and whether that is certain."""

    text: str
    sure: bool = True


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that strangers cannot relay through this host."""
    reported = set()
    for scope in smtpd_scopes(merged, facts):
        for name, finding in (*_open_to_all(scope), *_impostors(scope)):
            if (name, finding.where) not in reported:
                reported.add((name, finding.where))
                yield finding


def _open_to_all(scope: Scope) -> Iterator[tuple[str, Finding]]:
    """Yield lists that let strangers relay, where strangers can connect."""
    trusted, relayed = scope.parameter("mynetworks"), scope.parameter("relay_domains")
    if trusted and relays_mynetworks(scope):
        for word in scope.words("mynetworks"):
            if match := _too_wide(word) or _matched(scope, word, _CLIENTS):
                what = f'open relay: "{word}" in mynetworks {match.text}, and permit_mynetworks lets all of it relay'
                yield "mynetworks", _finding(scope, trusted, what, word, sure=match.sure)
    for word in scope.words("relay_domains") if relayed else ():
        if relayed and (match := _matched(scope, word, _DOMAINS)):
            what = f'open relay: "{word}" in relay_domains covers every domain ({match.text})'
            yield "relay_domains", _finding(scope, relayed, what, word, sure=match.sure)
    for name in _LISTS:
        parameter = scope.parameter(name)
        if parameter and all(_lets_in(scope, other) for other in _LISTS):
            for word, match in _before_protection(scope, name):
                what = f'open relay: "{word}" in {name} {match.text}, and comes before the relay protection; move it'
                about = f"{what} after reject_unauth_destination, or answer DUNNO"
                yield name, _finding(scope, parameter, about, word, sure=match.sure)


def _impostors(scope: Scope) -> Iterator[tuple[str, Finding]]:
    """Yield lists of clients that may claim to be another client, by XCLIENT."""
    parameter = scope.parameter(_XCLIENT)
    for word in scope.words(_XCLIENT) if parameter else ():
        if parameter and (match := _too_wide(word) or _matched(scope, word, _CLIENTS)):
            what = (
                f'open relay: "{word}" in {_XCLIENT} {match.text}, and all of it may claim to be in mynetworks, or to'
                " have logged in"
            )
            yield _XCLIENT, _finding(scope, parameter, what, word, sure=match.sure)


def _finding(scope: Scope, parameter: Parameter, text: str, about: str, *, sure: bool) -> Finding:
    """Return the finding at the place where the parameter is written; it warns if strangers cannot connect."""
    inner = scope.value("inet_interfaces").strip(SPACE) == "loopback-only"
    inner = inner or bool(scope.service and _LOOPBACK.match(scope.service.name))
    severity = Severity.ERROR if sure and not inner else Severity.WARNING
    return scope.place_of(parameter).finding("open-relay", parameter, text, about, severity=severity)


# ---- lists of networks and domains -----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # every service may have the same list
def _too_wide(word: str) -> _Match | None:
    try:
        network = ip_network(word.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
    if network.prefixlen < _WIDEST[network.version]:
        return None if network.is_private else _Match(_size(network))
    public = network.is_global and network.prefixlen < 2 * _WIDEST[network.version]
    return _Match("covers a large part of the Internet", sure=False) if public else None


def _size(network: Network) -> str:
    return "covers the whole Internet" if network.prefixlen == 0 else "covers a large part of the Internet"


def _matched(scope: Scope, word: str, strangers: tuple[str, ...]) -> _Match | None:
    """Return how a table matches every stranger, whatever it answers; a table after a "!" keeps them out."""
    for reference in tables_in(word) if not word.startswith("!") else ():
        if reference.type == "static":
            return _Match("matches everything")
        for table in _tables(scope, reference):
            if entry := next(_entries_for_all(table, strangers), None):
                sure = not has_blocks(table)
                return _Match(f'matches everything through its entry "{entry.key}"', sure)
    return None


def _tables(scope: Scope, reference: Reference) -> Iterator[Table]:
    """Yield the table of a reference, if the commit holds it."""
    if inside := table_inside(reference):
        yield inside
    elif table := scope.merged.tables.get(own_name(reference.name, scope.facts.directory) or ""):
        yield table


def _entries_for_all(table: Table, strangers: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries that match all the strangers."""
    if table.type == "cidr":
        yield from (entry for entry in Entries(table) if _covers(entry.key))
    elif table.type in PATTERN_TYPES:
        yield from (entry for entry in Entries(table) if all(matches(entry.key, stranger) for stranger in strangers))


def _covers(key: str) -> bool:
    """Return whether a network of a cidr table, or everything but that network, covers most of the Internet."""
    with suppress(ValueError):
        network = ip_network(key.lstrip("! ").replace("[", "").replace("]", ""), strict=False)
        if key.startswith("!"):
            return network.prefixlen > 0
        return network.prefixlen < _WIDEST[network.version] and not network.is_private
    return False


# ---- restrictions ----------------------------------------------------------------------------------------------------


def _lets_in(scope: Scope, name: str) -> bool:
    """Return whether a list lets a stranger's mail for foreign destinations pass."""
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
        if match := _answers_ok(scope, restriction.name, restriction.argument):
            yield f"{restriction.name} {restriction.argument}", match


def _answers_ok(scope: Scope, name: str, argument: str | None) -> _Match | None:
    """Return how an access table permits all strangers, or strangers that forge a name."""
    for reference in tables_in(argument or "") if name in WITH_TABLE else ():
        if reference.type == "static":
            return _Match("permits every client") if _permits(reference.name.strip("{} ")) else None
        for table in _tables(scope, reference):
            strangers = _CLIENTS if name == "check_client_access" else _ADDRESSES
            matching = list(_entries_for_all(table, strangers))
            # Addresses of one family match no network of the other, so each has its own first match in a cidr table.
            firsts = {":" in entry.key and table.type == "cidr": entry for entry in reversed(matching)}
            if first := next((entry for entry in firsts.values() if _permits(entry.value)), None):
                return _Match(f'permits every client through its entry "{first.key}"', sure=not has_blocks(table))
            forged = (entry for entry in Entries(table) if name in _FORGED and _permits(entry.value))
            if entry := next(forged, None):
                return _Match(f'permits every client that claims to be "{entry.key}"', sure=False)
    return None


def _permits(value: str) -> bool:
    return value.lower() in {"ok", "permit"} or is_digits(value)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "open-relay": (
        "Strangers could send mail to any destination through this host. The cause is mynetworks, relay_domains, "
        "clients that may claim to be another client (smtpd_authorized_xclient_hosts), or a table that answers OK "
        "before reject_unauth_destination. Spammers find such a host within hours, and then other servers refuse its "
        "mail. Narrow the list, or move the table after the relay protection."
    ),
}
