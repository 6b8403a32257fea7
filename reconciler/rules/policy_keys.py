"""A TLS policy must be found: its key is a next hop, letter for letter, and its fingerprints have the digest's length.

smtp(8) looks up the next hop as the route writes it, brackets and port included. Only a plain domain is also looked up
as .PARENT. A policy under another spelling is not found, and mail to that server goes by smtp_tls_security_level.
Raises nothing.

Known limit: routes of tables outside the commit are unknown; if there is one, the rule only warns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Finding, Severity, meant, nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.reached import asks_elsewhere
from reconciler.postfix.routes import FALLBACK, RELAY_MAPS, TRANSPORT_MAPS, TRANSPORTS, values_in
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.table_uses import uses_by_table
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Table
    from reconciler.postfix.tables import Entry

_POLICIES = "smtp_tls_policy_maps"
_PRINTS = {"relay_clientcerts": "smtpd_tls_fingerprint_digest", "check_ccert_access": "smtpd_tls_fingerprint_digest"}
_HOP = re.compile(r"(?P<plain>[^\[\]:\s]+)|\[(?P<inside>[^\]]+)\](?::[\w-]+)?|(?P<bare>[^\[\]:\s]+):[\w-]+", re.ASCII)
_FILTER = re.compile(r"\s*FILTER\s+(\S.*)", re.IGNORECASE | re.ASCII)
_JOINED = re.compile(r"[0-9a-fA-F]+", re.ASCII)
_PRINT = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})+", re.ASCII)
_BYTES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


class _Routes(NamedTuple):
    """The next hops as they are written, by their host; whether they are all; and whether recipients' domains count."""

    hops: dict[str, set[str]]
    complete: bool
    domains: bool


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check the keys and the fingerprints of TLS policies, and the fingerprints of clients."""
    main, uses = Scope(merged, facts), uses_by_table(merged, facts)
    named = {name: {use.name for use in uses.get(name, ())} for name in desired.tables}
    policies = [table for name, table in desired.tables.items() if _POLICIES in named[name] and _is_of_keys(table)]
    routes = _routes(merged, facts) if policies else None
    for table in policies:
        if routes:
            yield from _misspelt(table, routes)
        yield from _bad_matches(table, main.value("smtp_tls_fingerprint_digest"))
    for name, table in desired.tables.items():
        if (digests := [_PRINTS[use] for use in sorted(named[name] & _PRINTS.keys())]) and _is_of_keys(table):
            yield from _bad_clients(table, main.value(digests[0]))


def _is_of_keys(table: Table) -> bool:
    return table.type not in PATTERN_TYPES


# ---- keys ------------------------------------------------------------------------------------------------------------


def _routes(merged: Contribution, facts: Facts) -> _Routes:
    everywhere = scopes(merged, facts)
    texts = [text for scope in everywhere for text in _in_settings(scope)]
    for name, uses in uses_by_table(merged, facts).items():
        if table := merged.tables.get(name):
            for use in uses:
                texts += [text for entry in Entries(table) if (text := _in_value(use.name, entry.value))]
    hops: dict[str, set[str]] = {}
    for text in texts:
        for hop in words(text.lower()):
            hops.setdefault(_host(hop), set()).add(hop)
    main = everywhere[0]
    everything = main.value("relayhost") or _nexthop(main.value("default_transport"))
    return _Routes(hops, not any(map(asks_elsewhere, everywhere)), not everything)


def _in_settings(scope: Scope) -> Iterator[str]:
    """Yield the next hops that the settings of a scope write."""
    for parameter in scope.written:
        text = (scope.expanded(parameter.value) or "").strip(SPACE)
        if parameter.name in {"relayhost", "address_verify_relayhost", *FALLBACK}:
            yield text
        elif parameter.name in TRANSPORTS:
            yield _nexthop(text)
        elif parameter.name in TRANSPORT_MAPS:
            yield from map(_nexthop, values_in(text))
        elif parameter.name in RELAY_MAPS:
            yield from values_in(text)


def _in_value(use: str, value: str) -> str:
    """Return the next hop in the value of a table of that use; it is empty where there is none."""
    if use in RELAY_MAPS:
        return value
    if use in TRANSPORT_MAPS:
        return _nexthop(value)
    action = _FILTER.fullmatch(value)
    return _nexthop(action[1]) if action else ""


def _nexthop(route: str) -> str:
    return route.partition(":")[2].strip(SPACE)


def _host(hop: str) -> str:
    match = _HOP.fullmatch(hop)
    return match["plain"] or match["inside"] or match["bare"] if match else hop


def _misspelt(table: Table, routes: _Routes) -> Iterator[Finding]:
    """Yield the keys that are another spelling of a next hop which has no policy of its own."""
    keys: set[str] = set()
    for entry in Entries(table):
        key = entry.key.lower()
        spellings = routes.hops.get(_host(key), set())
        if not spellings and routes.complete and _host(key) != key:
            yield table.finding(
                "policy-not-found", entry.line, _unrouted(entry.key, _host(key)), entry.key, severity=Severity.WARNING
            )
        if not spellings or key in spellings:
            continue
        keys = keys or {other.key.lower() for other in Entries(table)}
        without = sorted(hop for hop in spellings if not _is_found(hop, keys))
        if without:
            certain = routes.complete and (key != _host(key) or not routes.domains)
            what = (
                f'key "{entry.key}" is not the next hop "{without[0]}", which is looked up as it is written: mail to'
                f" it goes without this policy{meant(without[0])}"
            )
            severity = Severity.ERROR if certain else Severity.WARNING
            yield table.finding("policy-not-found", entry.line, what, entry.key, severity=severity)


def _unrouted(key: str, host: str) -> str:
    return (
        f'key "{key}" is no next hop of any route: mail for {host} itself is looked up without brackets and port, and'
        f" goes without this policy{meant(host)}"
    )


def _is_found(hop: str, keys: set[str]) -> bool:
    """Return whether a next hop has a policy: its own, or one of a parent if it is a plain domain."""
    labels = hop.split(".") if hop == _host(hop) else []
    return hop in keys or any(f".{'.'.join(labels[number:])}" in keys for number in range(1, len(labels)))


# ---- fingerprints ----------------------------------------------------------------------------------------------------


def _bad_matches(table: Table, digest: str) -> Iterator[Finding]:
    for entry in Entries(table):
        level, *attributes = words(entry.value) or [""]
        if level.lower() == "fingerprint":
            for attribute in attributes:
                name, _, text = attribute.strip("{} ").partition("=")
                for word in text.split("|") if name.strip(SPACE).lower() == "match" else ():
                    yield from _bad_print(
                        table, entry, word.strip(SPACE), digest, "mail to that destination would wait"
                    )


def _bad_clients(table: Table, digest: str) -> Iterator[Finding]:
    for entry in Entries(table):
        key = entry.key
        if _JOINED.fullmatch(key) and len(key) in {2 * size for size in _BYTES.values()}:
            colons = ":".join(key[number : number + 2] for number in range(0, len(key), 2))
            what = (
                f'"{key}": the key never matches: the fingerprint of a client is looked up with colons{meant(colons)}'
            )
            yield table.finding("wrong-fingerprint", entry.line, what, key, severity=Severity.WARNING)
        for finding in _bad_print(table, entry, key, digest, "the key never matches"):
            yield finding.as_warning(f"{digest} is the digest in force")


def _bad_print(table: Table, entry: Entry, word: str, digest: str, then: str) -> Iterator[Finding]:
    length, expected = len(word.split(":")), _BYTES.get(digest.lower())
    if expected and length != expected and _PRINT.fullmatch(word):
        likely = next((name for name, size in _BYTES.items() if size == length), "")
        hint = f"; did you mean a fingerprint of {digest}, or the digest {likely}?" if likely else ""
        what = f'"{entry.key}": a fingerprint of {length} bytes, but {digest} makes {expected}: {then}{hint}'
        yield table.finding("wrong-fingerprint", entry.line, what, entry.key)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "policy-not-found": (
        "A TLS policy has a key that is another spelling of a next hop. Postfix looks up the next hop exactly as "
        "relayhost or the transport table writes it, with brackets and port, so it does not find the policy, and mail "
        "may go out in clear text. Write the key as the next hop is written."
    ),
    "wrong-fingerprint": (
        "A fingerprint of a certificate does not have the length that the digest in force makes, so no certificate "
        "matches it. The default digest is md5 up to Postfix 3.5 and sha256 from compatibility_level 3.6 on. Write the "
        "fingerprint of that digest, or set smtp_tls_fingerprint_digest (smtpd_tls_fingerprint_digest for clients)."
    ),
}
