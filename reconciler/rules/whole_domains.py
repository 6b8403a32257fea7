"""A row for a whole domain must not take what its users receive, nor accept mail for users who do not exist.

address_classes.py checks rows of virtual_alias_maps that lead to one address; this file the other tables with such
rows. Raises nothing; all findings are warnings.

Known limit: of a domain in mydestination, only root is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.aliases import holds_domains, targets
from reconciler.postfix.own_tables import NamedTable, own_tables
from reconciler.postfix.restrictions import LISTS, parsed, smtpd_scopes
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import PARENTS, Scope
from reconciler.postfix.strangers import takes_strangers
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding
    from reconciler.postfix.tables import Entry

_CLASSES = {
    "mydestination": "",
    "virtual_mailbox_domains": "virtual_mailbox_maps",
    "relay_domains": "relay_recipient_maps",
}
_TAKING = {
    "canonical_maps": "their mail is rewritten to {value}",
    "recipient_canonical_maps": "their mail is rewritten to {value}",
    "relocated_maps": "their mail is refused, as for users who have moved",
}
_ASKED = frozenset({"reject_unverified_recipient", "check_recipient_access", "check_policy_service"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check the rows that stand for all addresses of a domain, or all hosts below one."""
    main = Scope(merged, facts)
    for name, then in _TAKING.items():
        for named in own_tables(main, name):
            if named.is_plain and holds_domains(named.table):
                yield from _taken(main, named, then)
    servers = [scope for scope in smtpd_scopes(merged, facts) if takes_strangers(scope)]
    asked = {one.name for scope in servers for name in LISTS for one in parsed(scope.value(name))}
    if servers and not asked & _ASKED:
        for named in own_tables(main, "virtual_alias_maps"):
            if named.is_plain and holds_domains(named.table):
                yield from _domain_for_domain(named)
    yield from _parents(main)


def _own(main: Scope, name: str) -> list[str]:
    return [word.lower() for word in main.words(name) if ":" not in word and word[0] not in "/!"]


# ---- rewriting -------------------------------------------------------------------------------------------------------


def _taken(main: Scope, named: NamedTable, then: str) -> Iterator[Finding]:
    entries = list(Entries(named.table))
    rows = {entry.key.lower(): entry for entry in entries}
    for name, maps in _CLASSES.items():
        for domain in _own(main, name):
            entry = rows.get(f"@{domain}")
            if entry is None or entry.value.startswith("@"):
                continue
            known = sorted(_known(main, maps, domain) - rows.keys() - set(targets(entry)))
            if known:
                others = f" and {len(known) - 1} more" if len(known) > 1 else ""
                what = (
                    f'"{entry.key}" takes recipients who exist, such as {known[0]}{others}:'
                    f" {then.format(value=entry.value)}; give each a row of its own, or remove the row"
                )
                yield named.finding("catch-all", entry, what)


def _known(main: Scope, maps: str, domain: str) -> set[str]:
    if not maps:
        return {f"root@{domain}"}
    tables = [named.table for named in own_tables(main, maps) if named.is_plain]
    keys = (entry.key.lower() for table in tables for entry in Entries(table))
    return {key for key in keys if key.endswith(f"@{domain}") and not key.startswith("@")}


# ---- a domain for a domain -------------------------------------------------------------------------------------------


def _domain_for_domain(named: NamedTable) -> Iterator[Finding]:
    for entry in Entries(named.table):
        key, value = entry.key.lower(), entry.value.lower()
        if key.startswith("@") and value.startswith("@") and key != value and value.count("@") == 1:
            what = (
                f'"{entry.key}" makes every address of the domain one that exists: mail for unknown users is accepted,'
                f" and bounces later, mostly to forged senders; write a row for each address of {value[1:]}, or add"
                " reject_unverified_recipient"
            )
            yield named.finding("domain-for-domain", entry, what)


# ---- routes of a parent ----------------------------------------------------------------------------------------------


def _parents(main: Scope) -> Iterator[Finding]:
    """Warn of a route for what is below a domain, if this host's own domain is below it."""
    dot = "" if "transport_maps" in main.words(PARENTS) else "."
    rows: dict[str, tuple[NamedTable, Entry]] = {}
    tables = [named for named in own_tables(main, "transport_maps") if named.is_plain]
    wanted = {
        domain: [f"{dot}{domain.split('.', skip)[-1]}" for skip in range(1, domain.count(".") + 1)]
        for name in ("mydestination", "virtual_mailbox_domains")
        for domain in _own(main, name)
    }
    keys = {key for parents in wanted.values() for key in parents} | wanted.keys()
    for named in tables:
        for entry in Entries(named.table) if keys else ():
            if entry.key.lower() in keys:
                rows.setdefault(entry.key.lower(), (named, entry))
    for domain, parents in wanted.items():
        key = next((key for key in parents if key in rows), "")
        if key and domain not in rows and _leaves(main, rows[key][1].value):
            named, entry = rows[key]
            what = (
                f'"{entry.key}" takes mail for {domain} too, whose users are here: it would leave by "{entry.value}";'
                f' give {domain} a row of its own with ":"'
            )
            yield named.finding("takes-own-mail", entry, what)


def _leaves(main: Scope, route: str) -> bool:
    service = main.merged.services.get(f"{transport_of(route)}/unix")
    return bool(service and service.command == "smtp" and route.partition(":")[2])


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "domain-for-domain": (
        "A row of virtual aliases stands for a whole domain and leads to another one. Every address of the first then "
        "exists: mail for unknown users is accepted, and bounces later to senders that are mostly forged. Write a row "
        "for each address, or add reject_unverified_recipient."
    ),
}
