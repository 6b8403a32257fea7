"""A pattern or a row that holds everybody must not stand where it takes what is not meant, and one address is one.

sender_canonical_maps rewrites mail that comes in, smtp_generic_maps rewrites recipients too, and transport_maps has
power over the domains of this host. Raises nothing.

Known limit: a pattern counts as one for everybody if it matches a few addresses of strangers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.own_tables import NamedTable, knows_all, own_tables
from reconciler.postfix.patterns import first_match, takes_all
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import FILE, Scope, scopes
from reconciler.postfix.strangers import takes_strangers
from reconciler.postfix.table_parts import search
from reconciler.postfix.tables import Entries
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Parameter
    from reconciler.postfix.tables import Entry

_ADDRESSES = ("a.stranger@example.com", "info@mail.stranger.net", "x@a.b.co.uk")
_SENDERS = "mail that comes in is rewritten too: every sender would show as this one, and answers would go there"
_RECIPIENTS = "mail to anybody, also to other hosts, would go there"
_REWRITE = {
    "canonical_maps": _SENDERS,
    "sender_canonical_maps": _SENDERS,
    "recipient_canonical_maps": _RECIPIENTS,
    "virtual_alias_maps": _RECIPIENTS,
    "smtp_generic_maps": f"smtp rewrites recipients as well as senders: {_RECIPIENTS}",
    "relocated_maps": "mail to anybody here would be refused, as for users who have moved",
}
_ONE = names(
    """
    2bounce_notice_recipient address_verify_sender always_bcc bounce_notice_recipient delay_notice_recipient
    double_bounce_sender empty_address_recipient error_notice_recipient luser_relay
    """
)
_BCC = ("sender_bcc_maps", "recipient_bcc_maps")
_FIRST = ("canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "smtp_generic_maps")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check rewriting, routes and copies for patterns that take too much, and for two addresses in place of one."""
    main = Scope(merged, facts)
    cleanup = main.merged.services.get(f"{main.value('cleanup_service_name')}/unix")
    yield from _rewriting(Scope(merged, facts, cleanup) if cleanup else main)
    yield from _own_mail(main)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in _ONE:
                yield from _two_addresses(scope, parameter)
    for name in (*_BCC, *_FIRST):
        for named in own_tables(main, name):
            yield from _two_in_rows(named, name)


# ---- everybody -------------------------------------------------------------------------------------------------------


def _rewriting(scope: Scope) -> Iterator[Finding]:
    """Warn of a table that gives every stranger one address; ``$1`` may keep the old one."""
    open_to_all = any(map(takes_strangers, smtpd_scopes(scope.merged, scope.facts)))
    for name, then in _REWRITE.items():
        for named in own_tables(scope, name) if open_to_all or then != _SENDERS else ():
            entry = takes_all(named.table, _ADDRESSES) if not named.is_plain else None
            if entry and "$" not in entry.value:
                key = named.table.name if named.table.type == "static" else entry.key
                what = f'"{key}" in {name} matches everybody\'s address: {then}'
                yield named.finding("takes-everybody", entry, what)


def _own_mail(main: Scope) -> Iterator[Finding]:
    """Warn of a route for everybody that takes the mail for users of this host too."""
    domains = {
        word.lower()
        for name in ("mydestination", "virtual_mailbox_domains")
        for word in main.words(name)
        if ":" not in word and not word.startswith((*FILE, "!")) and not word.lower().startswith("localhost")
    }
    tables = own_tables(main, "transport_maps")
    if not domains or not knows_all(main, "transport_maps"):
        return
    star = next(((named, entry) for named in tables if (entry := _row(named, {"*"}))), None)
    patterns = [named for named in tables if not named.is_plain]
    for domain in sorted(domains) if star or patterns else ():
        row = next(((named, entry) for named in patterns if (entry := _for_everybody(named, domain))), star)
        keys = {domain, *(f".{domain.split('.', skip)[-1]}" for skip in range(1, domain.count(".") + 1))}
        own = any(_row(named, keys) for named in tables if named.is_plain)
        if row and not own and _leaves(main, row[1].value):
            named, entry = row
            what = (
                f'"{entry.key}" takes mail for {domain} too, whose users are here: it would leave by "{entry.value}";'
                f' give {domain} a row of its own with ":", or use relayhost instead'
            )
            yield named.finding("takes-own-mail", entry, what)


def _row(named: NamedTable, keys: set[str]) -> Entry | None:
    plain = re.compile(
        rb"(?im)^(?:" + b"|".join(re.escape(key.encode("utf-8", "replace")) for key in sorted(keys)) + rb")\s"
    )
    if not named.is_plain or not search(named.table, plain):
        return None
    return next((entry for entry in Entries(named.table) if entry.key.lower() in keys), None)


def _for_everybody(named: NamedTable, domain: str) -> Entry | None:
    """Return the entry that answers for strangers and for users of a domain of this host alike."""
    entry = takes_all(named.table, _ADDRESSES)
    return entry if entry and first_match(named.table, f"postmaster@{domain}") == entry else None


def _leaves(main: Scope, route: str) -> bool:
    """Return whether smtp(8) takes the mail elsewhere; an empty transport keeps the one of the domain's class."""
    service = main.merged.services.get(f"{transport_of(route)}/unix")
    return bool(service and service.command == "smtp")


# ---- one address -----------------------------------------------------------------------------------------------------


def _several(text: str) -> bool:
    """Return whether a text without quotes is more than one word."""
    return '"' not in text and not text.startswith(("|", "/")) and bool(re.search(r"[\s,;]", text, re.ASCII))


def _two_addresses(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    text = (scope.expanded(parameter.value) or "").strip(SPACE)
    if _several(text):
        what = (
            f'{parameter.name} takes one address, got "{text}": its mail would bounce (bad address syntax); name an'
            " alias that stands for all of them"
        )
        yield scope.finding("several-addresses", parameter, what)


def _two_in_rows(named: NamedTable, name: str) -> Iterator[Finding]:
    """Check the rows of tables that answer with one address; canonical(5) uses the first of several."""
    copies = name in _BCC
    then = "the copies would bounce (bad address syntax)" if copies else "only the first would be used"
    for entry in Entries(named.table):
        if "@" in entry.value and _several(entry.value) and not re.search(r"\s[#;]", entry.value, re.ASCII):
            what = f'"{entry.key}": {name} takes one address, got "{entry.value}": {then}'
            severity = Severity.ERROR if copies else Severity.WARNING
            yield named.finding("several-addresses", entry, what, severity)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "takes-everybody": (
        "A pattern of a table that rewrites addresses matches every address, and gives all of them one new address. "
        "It rewrites mail of other people too, which comes in or leaves. Narrow it to the own domains, such as "
        "/@host\\.example$/, or set it only on the cleanup service of a listener for own users."
    ),
    "takes-own-mail": (
        "A row of transport_maps for everybody has power over the domains of this host as well: mail for their users "
        "leaves, and may come back as a loop. Set relayhost, which holds only for other domains, or give each own "
        'domain a row with ":".'
    ),
    "several-addresses": (
        "A setting or a row takes one address and has several. Postfix takes the whole text as one address, which "
        "does not exist, or uses only the first. Name one alias that stands for all of them."
    ),
}
