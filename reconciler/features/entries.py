"""What tables hold, judged by what they are used for: keys that can never match, answers that Postfix does not know.

A table's entries are walked once for each use that has something to say about them, and never kept. Raises nothing.

Known limits: entries of pattern tables are judged by their results alone, and tables behind a database client not at
all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING

from reconciler.features.actions import access_problem, checks_problem, numeric_reply, screen_problem
from reconciler.features.networks import problem_of
from reconciler.features.nexthops import Roads, bad_nexthop, bad_route
from reconciler.features.restrictions import LISTS, WITH_TABLE, parsed
from reconciler.features.routes import TRANSPORT_MAPS, transport_of, unknown_transport
from reconciler.model import Finding, Severity, Where
from reconciler.table import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.model import Entry, Table

CHECKS = re.compile(r"_checks\Z")
_BY_SENDER = frozenset(
    {
        "sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps",
        "address_verify_sender_dependent_default_transport_maps", "address_verify_sender_dependent_relayhost_maps",
    }
)  # fmt: skip
_RELAYS = frozenset({"sender_dependent_relayhost_maps", "address_verify_sender_dependent_relayhost_maps"})
_BY_DOMAIN = frozenset({"relay_domains", "mydestination", "virtual_alias_domains", "virtual_mailbox_domains"})
_BY_ROUTE = frozenset({"transport_maps", "address_verify_transport_maps"})
_BY_ADDRESS = frozenset({"check_sender_access", "check_recipient_access"})


@dataclass(frozen=True, slots=True)
class Use:
    """What a table is for: a parameter's name, or that of the restriction which asks it."""

    name: str
    classes: frozenset[str] = frozenset()


def uses_in(text: str, name: str, classes: frozenset[str]) -> Iterator[tuple[Use, str]]:
    """The uses of tables in a list of restrictions, each with the text that names the table."""
    asked = name.replace("smtpd_", "check_").replace("_restrictions", "_access") if name in LISTS else ""
    for restriction in parsed(text):
        if restriction.name in WITH_TABLE:
            yield Use(restriction.name, classes), restriction.argument or ""
        elif ":" in restriction.name and asked in WITH_TABLE:
            yield Use(asked, classes), restriction.name


def judge(table: Table, uses: frozenset[Use], known: Roads) -> Iterator[Finding]:
    """Everything that is wrong with a table's entries; *known* are the roads that are there."""
    entries = Entries(table)
    if table.type == "cidr":
        yield from _networks(table, entries)
    for use in sorted(uses, key=lambda use: use.name):
        if use.name in TRANSPORT_MAPS:
            yield from _routes(table, entries, known)
        elif use.name in _RELAYS:
            yield from _relays(table, entries, known)
        elif use.name in WITH_TABLE:
            yield from _told(
                table, entries, "unknown-action", partial(access_problem, classes=use.classes, roads=known)
            )
            yield from _numeric_replies(table, entries)
        elif CHECKS.search(use.name):
            yield from _told(table, entries, "unknown-action", partial(checks_problem, roads=known))
        elif use.name == "postscreen_access_list":
            yield from _told(table, entries, "unknown-action", screen_problem)
    if table.type not in PATTERN_TYPES and table.type != "cidr":
        yield from _keys(table, entries, {use.name for use in uses})


def _finding(
    rule: str, table: Table, entry: Entry, text: str, about: str, severity: Severity = Severity.ERROR
) -> Finding:
    return Finding(
        rule=rule, where=Where(table.file, entry.line), text=f"table {table.name}: {text}",
        subject=f"{table.name} {about}", severity=severity,
    )  # fmt: skip


# ---- results ---------------------------------------------------------------------------------------------------------


def _told(
    table: Table, entries: Iterable[Entry], rule: str, problem_in: Callable[[str], str | None]
) -> Iterator[Finding]:
    """What is wrong with results; there are fewer of them than entries."""
    problems = {value: problem for value in {entry.value for entry in entries} if (problem := problem_in(value))}
    for entry in entries if problems else ():
        if problem := problems.get(entry.value):
            yield _finding(rule, table, entry, f'"{entry.key}": {problem}', entry.key)


def _routes(table: Table, entries: Iterable[Entry], known: Roads) -> Iterator[Finding]:
    """``transport:nexthop``; what a pattern puts in for $1 is not known."""

    def unknown(value: str) -> str | None:
        fixed = transport_of(value).lower() != "dunno" and not (patterns and "$" in transport_of(value))
        return unknown_transport(value, known.transports) if fixed else None

    def malformed(value: str) -> str | None:
        return None if patterns and "$" in value else bad_route(value, known)

    patterns = table.type in PATTERN_TYPES
    yield from _told(table, entries, "unknown-transport", unknown)
    yield from _told(table, entries, "malformed-nexthop", malformed)


def _relays(table: Table, entries: Iterable[Entry], known: Roads) -> Iterator[Finding]:
    """Next hops that stand alone."""

    def malformed(value: str) -> str | None:
        unclear = value.lower() == "dunno" or (table.type in PATTERN_TYPES and "$" in value)
        return None if unclear else bad_nexthop(value, known)

    yield from _told(table, entries, "malformed-nexthop", malformed)


def _numeric_replies(table: Table, entries: Iterable[Entry]) -> Iterator[Finding]:
    for entry in entries:
        if numeric_reply(entry.value):
            alone = entry.value
            what = f'"{entry.key}": "{alone}" alone permits, as any number does; write "{alone} text" to reject'
            yield _finding("number-permits", table, entry, what, entry.key, Severity.WARNING)


# ---- keys ------------------------------------------------------------------------------------------------------------


Never = tuple["re.Pattern[str]", str]


def _never_matches(use: str) -> Never | None:
    """The keys that are never looked up for that use, and what was meant instead (transport(5), access(5))."""
    if use in _BY_SENDER:
        return re.compile(r"(?!<>)[^@]+"), "@{key}"
    if use in _BY_DOMAIN:
        return re.compile(r".*@(?P<domain>.+)"), "{domain}"
    if use in _BY_ROUTE or use in _BY_ADDRESS:
        return re.compile(r"@(?P<domain>.+)"), "{domain}"
    if use == "check_client_access":
        return re.compile(r"[0-9a-fA-F.:]+/\d+"), "a table of type cidr"
    return None


def _keys(table: Table, entries: Iterable[Entry], uses: set[str]) -> Iterator[Finding]:
    """Keys that none of a table's uses looks up."""
    never = {use: _never_matches(use) for use in uses}
    patterns = [known for known in never.values() if known]
    if not patterns or len(patterns) < len(uses):
        return
    meant = patterns[0][1]
    for entry in entries:
        matches = [pattern.fullmatch(entry.key) for pattern, _ in patterns]
        if matches[0] and all(matches):
            hint = meant.format(key=entry.key, **matches[0].groupdict())
            what = f'key "{entry.key}" never matches: {", ".join(sorted(uses))} never looks it up; did you mean {hint}?'
            yield _finding("key-never-matches", table, entry, what, entry.key)
        elif uses & _BY_SENDER and entry.key.startswith("@") and "." not in entry.key:
            what = f'key "{entry.key}" is a domain without a dot: it matches only senders at that very name'
            yield _finding("bare-sender-domain", table, entry, what, entry.key, Severity.WARNING)


def _networks(table: Table, entries: Iterable[Entry]) -> Iterator[Finding]:
    """cidr_table(5) skips a line it can't parse."""
    for entry in entries:
        pattern = entry.key.lstrip("!")
        if pattern.lower() in {"if", "endif"}:
            continue
        problem = problem_of(f"[{pattern}]" if ":" in pattern and not pattern.startswith("[") else pattern)
        if not problem and not _is_network(pattern):
            problem = "is not a network"
        if problem:
            what = f'"{entry.key}" {problem}; Postfix would skip the line'
            yield _finding("bad-network", table, entry, what, entry.key)


def _is_network(pattern: str) -> bool:
    try:
        ip_network(pattern.replace("[", "").replace("]", ""))
    except ValueError:
        return False
    return True
