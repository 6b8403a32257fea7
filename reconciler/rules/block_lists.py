"""Block lists must be in service, and an answer of theirs that is no listing must not count as one.

Without a filter such as ``=127.0.0.[2..11]``, every answer counts. Some lists answer errors that way: Spamhaus says
127.255.255.254 to a public resolver, and then all mail is refused. Raises nothing; all findings are warnings.

Known limit: nothing is looked up; the rules know some widely used lists, and those in postfix/ended_lists.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, nothing_mentioned
from reconciler.postfix.ended_lists import ENDED
from reconciler.postfix.restrictions import LISTS, WITH_DOMAIN, WITH_TABLE, classes_of, parsed
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.table_parts import search
from reconciler.postfix.table_uses import uses_by_table
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Parameter, Table

_PUBLIC = "127.255.255.254 means that a public resolver asked"
# Lists with answers that are no listings: a filter for those that are, and what another one means.
_SEVERAL = {
    "dbl.spamhaus.org": ("127.0.1.[2..99]", _PUBLIC),
    "spamhaus.org": ("127.0.0.[2..11]", _PUBLIC),
    "dq.spamhaus.net": ("127.0.0.[2..11]", "127.255.255.250 means that the key is not valid"),
    "dnswl.org": ("127.0.[0..255].[1..3]", "127.0.0.255 means that too many questions were asked"),
    "uribl.com": ("127.0.0.[2..14]", "127.0.0.1 means that a public resolver asked"),
    "surbl.org": ("127.0.0.[2..254]", "127.0.0.1 means that access is blocked"),
    "hostkarma.junkemailfilter.com": ("127.0.0.2", "127.0.0.1 means that the client is trusted"),
    "score.senderscore.com": ("127.0.4.[0..20]", "each client with a reputation has an answer, a good one too"),
    "rep.mailspike.net": ("127.0.0.[10..13]", "each client with a reputation has an answer, a good one too"),
    "mail.abusix.zone": ("127.0.0.[2..12]", "127.255.255.250 means that the key is not valid"),
}
_SITES = "postscreen_dnsbl_sites"
_ASKS = re.compile(rb"_(?:rbl|rhsbl|dnswl|rhswl)_", re.IGNORECASE)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check each block list and each list of trusted clients that a setting names."""
    for scope in scopes(merged, facts):
        classes = classes_of(scope)
        for parameter in scope.written:
            for restriction, written in _lists(scope, parameter, classes):
                if problem := _problem(restriction, written):
                    ended, about, what = problem
                    yield scope.warning(
                        "dead-block-list" if ended else "unfiltered-block-list",
                        parameter, f"{parameter.name}: {what}", about,
                    )  # fmt: skip
    for name, uses in uses_by_table(merged, facts).items():
        table = desired.tables.get(name)
        if table and search(table, _ASKS) and any(use.name in WITH_TABLE for use in uses):
            yield from _answers(table)


def _answers(table: Table) -> Iterator[Finding]:
    """Yield the lists that the answers of an access table name."""
    for entry in Entries(table):
        for restriction in parsed(entry.value):
            named = restriction.argument if restriction.name in WITH_DOMAIN else None
            if named and (problem := _problem(restriction.name, named)):
                ended, about, what = problem
                text = f'"{entry.key}": {what}'
                yield table.finding(
                    "dead-block-list" if ended else "unfiltered-block-list",
                    entry.line, text, f"{entry.key} {about}", severity=Severity.WARNING,
                )  # fmt: skip


def _lists(scope: Scope, parameter: Parameter, classes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the lists that a setting names, each as it is written, with its restriction."""
    text = scope.expanded(parameter.value) or ""
    if parameter.name in {_SITES, "maps_rbl_domains"}:
        yield from ((parameter.name, word) for word in words(text))
    elif parameter.name in LISTS or parameter.name in classes:
        for restriction in parsed(text):
            if restriction.name in WITH_DOMAIN and restriction.argument:
                yield restriction.name, restriction.argument


def _problem(restriction: str, written: str) -> tuple[bool, str, str] | None:
    """Return whether the list has ended, its domain and the text of its problem; None if it has none."""
    domain, filtered, _ = written.partition("*")[0].partition("=")
    domain = domain.lower().strip("[].")
    above = [domain.split(".", skipped)[-1] for skipped in range(domain.count(".") + 1)]
    if ended := next((ENDED[name] for name in above if name in ENDED), None):
        return True, domain, f'the list "{domain}" ended in {ended.year}: it lists nobody, or everybody; remove it'
    known = next((_SEVERAL[name] for name in above if name in _SEVERAL), None)
    if not known or filtered or restriction == "maps_rbl_domains":
        return None
    answers, other = known
    then = "permits" if restriction.startswith("permit_") else "is taken for a listing"
    what = f'every answer of "{domain}" {then}, and {other}; write {domain}={answers}'
    return False, domain, what


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "dead-block-list": (
        "A block list is not in service any more. It lists nobody, its look-ups take time, and whoever gets its "
        "domain can make it list everybody. Some lists ended in that way, and all mail was refused. Remove it."
    ),
    "unfiltered-block-list": (
        "A list of clients or domains answers with different codes, and some are no listings, such as Spamhaus's "
        "127.255.255.254 for questions that come through a public resolver. Without a filter, every answer counts, "
        "and all mail may be refused, or permitted. Add the answers that count, such as "
        "zen.spamhaus.org=127.0.0.[2..11]."
    ),
}
