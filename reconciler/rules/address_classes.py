"""Each domain belongs to one address class, and no alias takes the mail of a recipient who exists.

trivial-rewrite (ADDRESS_CLASS_README) uses the first class that lists a domain: mydestination, virtual_alias_domains,
virtual_mailbox_domains, relay_domains. Postfix only warns. Virtual aliases come before all classes. Raises nothing.

Known limit: the rules know the recipients that tables of the commit list, and the users of this host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, nothing_mentioned
from reconciler.postfix.aliases import holds_domains, targets
from reconciler.postfix.own_tables import knows_all, own_tables
from reconciler.postfix.patterns import first_match
from reconciler.postfix.scopes import FILE, Scope
from reconciler.postfix.table_parts import mentions, search
from reconciler.postfix.tables import Entries, Entry
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Contribution, Desired, Facts, Table
    from reconciler.postfix.own_tables import NamedTable

_ALIASES = "virtual_alias_maps"
# The classes in their order, each with the tables that list its recipients.
_CLASSES = {
    "mydestination": "alias_maps",
    "virtual_alias_domains": "",
    "virtual_mailbox_domains": "virtual_mailbox_maps",
    "relay_domains": "relay_recipient_maps",
}
_NO_SUCH = "no.such.user.4711"
# Users of Debian's base system, who receive no mail of their own.
_SYSTEM = names(
    """
    backup bin daemon games gnats irc list lp mail man messagebus news nobody postfix proxy root sshd sync sys uucp
    vmail www-data
    """
)
# Names that the aliases of most hosts have.
_USUAL = names("abuse hostmaster mailer-daemon nobody noc operator postmaster root security webmaster")
_SERVICE = re.compile(r"_|systemd-|.*\$\Z")
_MANY = 64  # domains: to search a text for more of them takes longer than to read it


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each domain is in one class, and that a catch-all takes only what nobody else receives."""
    main = Scope(merged, facts)
    aliases = _Aliases.of(main)
    yield from _two_classes(main, aliases)
    yield from _taken(main, aliases)


# ---- aliases ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Aliases:
    """The virtual aliases; *whole* is true if the commit holds all of them, *everywhere* are the rows of domains."""

    tables: list[NamedTable]
    everywhere: dict[str, tuple[NamedTable, Entry]]
    whole: bool

    @classmethod
    def of(cls, main: Scope) -> _Aliases:
        """Collect the rows for whole domains; most tables have none, and are not read."""
        tables = own_tables(main, _ALIASES)
        everywhere: dict[str, tuple[NamedTable, Entry]] = {}
        for table in tables:
            if table.is_plain and holds_domains(table.table):
                for entry in Entries(table.table):
                    if entry.key.startswith("@"):
                        everywhere.setdefault(entry.key[1:].lower(), (table, entry))
        return cls(tables, everywhere, knows_all(main, _ALIASES))

    def catch_all(self, domain: str) -> tuple[NamedTable, Entry] | None:
        """Return the row that takes the mail of any address in a domain."""
        for table in self.tables:
            entry = None if table.is_plain else first_match(table.table, f"{_NO_SUCH}@{domain}")
            if entry:
                return table, entry
        return self.everywhere.get(domain)

    def own_rows(self, addresses: Collection[str], *, local: bool) -> set[str]:
        """Return those of the addresses that have a row of their own; in a *local* domain, a bare name too."""
        wanted = {key: address for address in addresses for key in (address, address.partition("@")[0] * local)}
        return {
            address
            for table in self.tables
            if table.is_plain and wanted
            for entry in Entries(table.table)
            if (address := wanted.get(entry.key.lower()))
        }

    def pattern(self, address: str) -> Entry | None:
        """Return the entry of a pattern table that answers for an address."""
        answers = (first_match(table.table, address) for table in self.tables if not table.is_plain)
        return next(filter(None, answers), None)


# ---- the domains of a class, and who is there ------------------------------------------------------------------------


def _domains(main: Scope, name: str) -> set[str]:
    """Return the domains that a class lists as words, written or by default."""
    return {word.lower() for word in main.words(name) if ":" not in word and not word.startswith((*FILE, "!"))}


def _listing(main: Scope, name: str) -> list[NamedTable]:
    """Return the tables whose keys are domains of a class."""
    return [named for named in own_tables(main, name) if named.is_plain]


def _recipients(main: Scope, name: str, domains: Collection[str]) -> dict[str, set[str]]:
    """Return the known recipients of a class in each of the domains."""
    found: dict[str, set[str]] = {domain: set() for domain in domains}
    if not found or not _CLASSES[name]:
        return found
    for named in _listing(main, _CLASSES[name]):
        for entry in Entries(named.table) if named.table.compiler == "postalias" or _has(named.table, domains) else ():
            key = entry.key.lower()
            local, _, domain = key.rpartition("@")
            if domain in found and local:
                found[domain].add(key)
            elif name == "mydestination" and not local and not key.startswith("owner-"):
                for own, listed in found.items():
                    listed.add(f"{key}@{own}")
    if name == "mydestination":
        people = {user for user in main.facts.users if user not in _SYSTEM and not _SERVICE.match(user)}
        for own, listed in found.items():
            listed.update(f"{user.lower()}@{own}" for user in people)
    return found


def _has(table: Table, domains: Collection[str]) -> bool:
    """Return whether a table may mention one of the domains; it searches bytes, because it may have 100,000 lines."""
    if len(domains) > _MANY:
        return True
    return mentions(table, [domain.encode("utf-8", "surrogateescape") for domain in domains])


# ---- two classes -----------------------------------------------------------------------------------------------------


def _two_classes(main: Scope, aliases: _Aliases) -> Iterator[Finding]:
    """Check that each domain belongs to one class; an error if a recipient who exists would be turned away."""
    # Only mydestination can clash by its default: $myhostname, which many list again as a domain of mailboxes.
    listed = {name: _domains(main, name) for name in _CLASSES if name == "mydestination" or main.parameter(name)}
    for first, second in combinations(listed, 2):
        parameter = main.parameter(second)
        if (first, second) == ("mydestination", "relay_domains") or not parameter:  # a default of old versions
            continue
        both = sorted(listed[first] & listed[second])
        lost = _lost(main, (first, second), both, aliases) if both else {}
        for domain in both:
            what, severity = _in_both(domain, first, second, lost.get(domain, ""))
            yield main.finding("two-classes", parameter, what, domain, severity=severity)
    for name in _CLASSES:
        rivals = {domain: other for other in listed if other != name for domain in listed[other]}
        for named in _listing(main, name):
            yield from _listed_again(main, named, (name, rivals), aliases)


def _listed_again(
    main: Scope, named: NamedTable, where: tuple[str, dict[str, str]], aliases: _Aliases
) -> Iterator[Finding]:
    """Check the domains that a table lists; *where* is its class, and the other class of each domain of a setting."""
    name, rivals = where
    held = Entries(named.table) if _may_hold(named.table, rivals) else ()
    clashes = [(entry, rivals[domain]) for entry in held if (domain := entry.key.lower()) in rivals]
    lost: dict[str, str] = {}
    for rival in sorted({rival for _, rival in clashes}):
        domains = [entry.key.lower() for entry, other in clashes if other == rival]
        lost |= _lost(main, _ordered(name, rival), domains, aliases)
    for entry, rival in clashes:
        what, severity = _in_both(entry.key, *_ordered(name, rival), lost.get(entry.key.lower(), ""))
        yield named.finding("two-classes", entry, what, severity)


def _ordered(one: str, other: str) -> tuple[str, str]:
    """Return two classes in the order in which trivial-rewrite asks them."""
    order = list(_CLASSES)
    return (one, other) if order.index(one) < order.index(other) else (other, one)


def _may_hold(table: Table, domains: Collection[str]) -> bool:
    """Return whether one of the domains may begin a line; it searches bytes, because a table may have 100,000 lines."""
    if len(domains) > _MANY:
        return True
    plain = [re.escape(domain.encode("utf-8", "surrogateescape")) for domain in sorted(domains)]
    return bool(plain) and search(table, re.compile(rb"(?im)^(?:" + b"|".join(plain) + rb")\s"))


def _lost(main: Scope, classes: tuple[str, str], domains: list[str], aliases: _Aliases) -> dict[str, str]:
    """Return a recipient of the second class in each domain that the first class, which prevails, turns away."""
    lost: dict[str, str] = {}
    first, second = classes
    if first == "mydestination" and main.parameter("local_recipient_maps"):
        return lost  # it may list the recipients of the other class
    there = _recipients(main, first, domains)
    usual = set() if knows_all(main, "alias_maps") else _USUAL
    known = _recipients(main, second, domains)
    left = {one for domain, listed in known.items() for one in listed - there[domain]}
    left -= aliases.own_rows(left, local=first == "mydestination") if aliases.whole else left
    for one in sorted(left, reverse=True):
        user, _, domain = one.rpartition("@")
        if user not in usual and not aliases.catch_all(domain) and not aliases.pattern(one):
            lost[domain] = one
    return lost


def _in_both(domain: str, first: str, second: str, lost: str) -> tuple[str, Severity]:
    what = f'domain "{domain}" is in both {first} and {second}'
    if lost:
        return f"{what}, and the first counts: mail for {lost} would be refused; list it only once", Severity.ERROR
    return f"{what}, and one of them has no effect: list it only once", Severity.WARNING


# ---- catch-alls ------------------------------------------------------------------------------------------------------


def _taken(main: Scope, aliases: _Aliases) -> Iterator[Finding]:
    """Warn of an alias for a whole domain that takes the mail of recipients who exist there."""
    if not aliases.everywhere and all(named.is_plain for named in aliases.tables):
        return
    for name in ("mydestination", "virtual_mailbox_domains", "relay_domains"):
        domains = _domains(main, name)
        domains |= _listed(main, name, aliases.everywhere.keys())
        rows = {domain: row for domain in sorted(domains) if (row := aliases.catch_all(domain))}
        known = _recipients(main, name, rows)
        own = aliases.own_rows({one for listed in known.values() for one in listed}, local=name == "mydestination")
        for domain, recipients in known.items():
            named, entry = rows[domain]
            taken = _taken_by(rows[domain], recipients - own, aliases)
            if taken and "$" not in entry.value and entry.value.lower() != f"@{domain}":
                others = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
                what = (
                    f'"{entry.key}" takes the mail of recipients who exist: mail for {taken[0]}{others} goes to'
                    f" {entry.value}; give each a row of its own, such as {taken[0]} {taken[0]}"
                )
                yield named.finding("catch-all", entry, what)


def _listed(main: Scope, name: str, candidates: Collection[str]) -> set[str]:
    """Return those of the domains that tables of the commit list; relay_domains covers what is below one too."""
    found = {
        key
        for named in _listing(main, name)
        for entry in Entries(named.table)
        if (key := entry.key.lower()) in candidates
    }
    if name == "relay_domains":
        above = _domains(main, name)
        found |= {domain for domain in candidates if any(domain.endswith(f".{parent}") for parent in above)}
    return found


def _taken_by(where: tuple[NamedTable, Entry], recipients: set[str], aliases: _Aliases) -> list[str]:
    """Return the recipients whose mail the row takes, sorted; not those whom it leads to."""
    named, row = where
    left = recipients - set(targets(row))
    if not named.is_plain:  # patterns see the full address, before any key for a domain
        left = {one for one in left if aliases.pattern(one) == row}
    return sorted(left)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "two-classes": (
        "A domain is listed in two address classes. Postfix logs a warning and uses the first of mydestination, "
        "virtual_alias_domains, virtual_mailbox_domains and relay_domains. The other has no effect, and Postfix "
        "refuses the recipients that only the other one knows. List the domain in only one of them."
    ),
    "catch-all": (
        "A virtual alias for a whole domain is asked for every address of it, also for mailboxes, users and aliases "
        "that exist. Their mail goes to the target of the alias. Give each of them a row of its own that leads to "
        "itself; such a row is found first."
    ),
}
