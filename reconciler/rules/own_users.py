"""A check against forgeries must not take what own users send, and none the bounces of other servers.

Header checks see all mail, that of own users too; an access table of senders is asked in its place of the list. Raises
nothing; all findings are warnings.

Known limit: the rules read the tables of the commit, and try one address of each own domain.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.own_tables import NamedTable, own_tables, tables_named
from reconciler.postfix.patterns import first_match
from reconciler.postfix.restrictions import FINAL, parsed, smtpd_scopes, trusts_others
from reconciler.postfix.scopes import FILE, Scope
from reconciler.postfix.table_parts import mentions
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding
    from reconciler.postfix.tables import Entry

_CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
_LISTS = tuple(f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient"))
_USER = "q7x.zw"
_REFUSES = re.compile(r"(?:reject|discard|[45]\d\d)(?:\s|\Z)", re.IGNORECASE | re.ASCII)
_STRANGERS = ("From: a.stranger@example.com", "From: X <info@mail.stranger.net>", "Subject: q7x")
_BOUNCES = (
    "From: MAILER-DAEMON@mail.stranger.net (Mail Delivery System)",
    "From: Mail Delivery System <MAILER-DAEMON@mail.stranger.net>",
    "From: Mail Delivery Subsystem <mailer-daemon@mail.stranger.net>",
    "Subject: Undelivered Mail Returned to Sender",
    "Return-Path: <>",
)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that own users can send, and that bounces arrive."""
    main, servers = Scope(merged, facts), smtpd_scopes(merged, facts)
    domains = sorted(
        {
            word.lower()
            for name in _CLASSES
            for word in main.words(name)
            if ":" not in word and not word.startswith((*FILE, "!")) and not word.lower().startswith("localhost")
        }
    )
    said: set[str] = set()
    for scope in servers:
        for finding in _senders(scope, domains):
            if str(finding) not in said:
                said.add(str(finding))
                yield finding
    apart = any(scope.value("cleanup_service_name") != main.value("cleanup_service_name") for scope in servers)
    service = merged.services.get(f"{main.value('cleanup_service_name')}/unix")
    yield from _headers(Scope(merged, facts, service) if service else main, () if apart else tuple(domains))


# ---- senders ---------------------------------------------------------------------------------------------------------


def _senders(scope: Scope, domains: list[str]) -> Iterator[Finding]:
    """Warn of tables that refuse own addresses before own users are let by."""
    logins, networks = scope.is_on("smtpd_sasl_auth_enable"), trusts_others(scope)
    for name in _LISTS:
        parameter, waiting = scope.parameter(name), {"users who log in": logins, "clients of mynetworks": networks}
        for restriction in parsed(scope.value(name)) if parameter else ():
            if restriction.name in FINAL:
                break
            waiting["users who log in"] &= restriction.name != "permit_sasl_authenticated"
            waiting["clients of mynetworks"] &= restriction.name != "permit_mynetworks"
            who = [group for group, true in waiting.items() if true]
            if parameter and who and restriction.name == "check_sender_access":
                yield from _refused(tables_named(scope, parameter, restriction.argument or ""), domains, who)


def _refused(tables: list[NamedTable], domains: list[str], who: list[str]) -> Iterator[Finding]:
    for domain in domains:
        answers = ((named, entry) for named in tables if (entry := _answer(named, domain)))
        named, entry = next(answers, (None, None))
        if named and entry and _REFUSES.match(entry.value):
            what = (
                f'"{entry.key}" refuses {" and ".join(who)} too, when they send from {domain}; let them by before this'
                " check"
            )
            yield named.finding("refuses-own-users", entry, what)


def _answer(named: NamedTable, domain: str) -> Entry | None:
    if not named.is_plain:
        strange = first_match(named.table, "a.stranger@example.com")
        entry = first_match(named.table, f"{_USER}@{domain}")
        return entry if entry != strange else None
    if not mentions(named.table, [domain.encode("utf-8", "replace")]):
        return None
    return next((entry for entry in Entries(named.table) if entry.key.lower() == domain), None)


# ---- headers ---------------------------------------------------------------------------------------------------------


def _headers(scope: Scope, domains: tuple[str, ...]) -> Iterator[Finding]:
    tables = [named for named in own_tables(scope, "header_checks") if not named.is_plain]
    strange = {id(named): [first_match(named.table, line) for line in _STRANGERS] for named in tables}
    said: set[Entry] = set()
    for named in tables:
        for rule, line, what in (*_from_own(domains), *_from_postmasters()):
            entry = first_match(named.table, line)
            if entry and entry not in strange[id(named)] and entry not in said and _REFUSES.match(entry.value):
                said.add(entry)
                yield named.finding(rule, entry, f'"{entry.key}" {what}')


def _from_own(domains: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    for domain in domains:
        what = (
            f"refuses mail from {domain} that own users send too: header checks see all mail; refuse forged senders"
            " with check_sender_access, after those who may send"
        )
        for line in (f"From: {_USER}@{domain}", f"From: Q X <{_USER}@{domain}>"):
            yield "refuses-own-users", line, what


def _from_postmasters() -> Iterator[tuple[str, str, str]]:
    for line in _BOUNCES:
        yield "null-sender", line, "refuses bounces of other servers: users would not learn that their mail failed"


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "refuses-own-users": (
        "A check that should stop forged senders also stops own users: it matches their own domain, and nothing lets "
        "them by before it. Put permit_mynetworks and permit_sasl_authenticated before the check; header checks can't "
        "tell own users from strangers."
    ),
}
