"""Addresses must be mapped somewhere on the way of each message: by aliases, canonical tables, copies and masquerading.

receive_override_options = no_address_mappings turns all of it off for one entry into the queue. That is right before a
content filter that hands mail back, or after one. Raises nothing.

Known limit: a filter outside of this Postfix, which hands mail back to another host, is not known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Severity, nothing_mentioned
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_parts import search

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Where

_OPTIONS, _OFF = "receive_override_options", "no_address_mappings"
# The first two decide whether mail arrives, the others how it looks or who gets a copy.
_ALIASES = ("virtual_alias_domains", "virtual_alias_maps")
_MAPPINGS = (
    *_ALIASES, "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "masquerade_domains",
    "always_bcc", "sender_bcc_maps", "recipient_bcc_maps",
)  # fmt: skip
_FILTERED = ("content_filter", "smtpd_proxy_filter")
_FILTER = re.compile(rb"(?<![A-Za-z])FILTER\s", re.IGNORECASE)
_LOOPBACK = re.compile(r"(?:127\.[0-9.]+|\[?::1\]?|localhost):")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that the mail of each entry is mapped, before a filter or after it."""
    main = Scope(merged, facts)
    lost = [name for name in _MAPPINGS if main.value(name)]
    unmapped = [scope for scope in _unmapped(merged, facts) if scope.parameter(_OPTIONS)] if lost else []
    if not unmapped or any(search(table, _FILTER) for table in merged.tables.values()):
        return
    reported: set[Where] = set()
    for scope in unmapped:
        parameter = scope.parameter(_OPTIONS)
        if parameter and parameter.where not in reported:
            reported.add(parameter.where)
            severity = Severity.ERROR if lost[0] in _ALIASES else Severity.WARNING
            then = "aliases are not looked up, and their mail bounces" if lost[0] in _ALIASES else "it has no effect"
            what = (
                f"{_OPTIONS}: {_OFF} turns {lost[0]} off, and no content filter hands mail back to a listener that maps"
                f" addresses: {then}"
            )
            yield scope.place_of(parameter).finding("no-mappings", parameter, what, lost[0], severity=severity)


def _unmapped(merged: Contribution, facts: Facts) -> list[Scope]:
    """Return the entries into the queue whose mail is mapped neither there nor before or after a filter."""
    entries = [Scope(merged, facts, one) for one in merged.distinct if one.command in {"smtpd", "pickup", "qmqpd"}]
    filtered = [scope for scope in entries if not _is_last(scope)]
    last = [scope for scope in entries if _is_last(scope)]
    unmapped = [scope for scope in last if not _is_mapped(scope)]
    if any(map(_is_mapped, filtered)):
        return []  # what comes back from a filter is mapped already
    is_lost = bool(filtered) and len(unmapped) == len(last)
    return [scope for scope in unmapped if is_lost or not _is_inner(scope)]


def _command(scope: Scope) -> str:
    return scope.service.command if scope.service else ""


def _is_inner(scope: Scope) -> bool:
    """Return whether only programs on this host reach the entry."""
    return bool(scope.service and _LOOPBACK.match(scope.service.name))


def _is_last(scope: Scope) -> bool:
    """Return whether mail of this entry is delivered without a filter."""
    filters = _FILTERED if _command(scope) == "smtpd" else _FILTERED[:1]
    return not any(scope.value(name) for name in filters)


def _is_mapped(scope: Scope) -> bool:
    return _OFF not in map(str.lower, scope.words(_OPTIONS))


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "no-mappings": (
        "receive_override_options holds no_address_mappings where no content filter hands mail back to a listener that "
        "maps addresses. Aliases, canonical tables, copies and masquerading have no effect, and mail for "
        "virtual_alias_domains bounces. Remove the word, or set it only on the listener before a content filter."
    ),
}
