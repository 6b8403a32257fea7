"""An alias that leads to a user of this host must lead to one who is there: local(8) bounces mail for anybody else.

Every finding is a warning of the moment, and depends on ``facts.users``. The rule is silent if a program or a table
that it can't read may know the name: another transport for mailboxes, luser_relay, or aliases outside of the commit.
Raises nothing.

Known limit: users of a directory that the C library does not list count as unknown.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from reconciler.model import Severity, did_you_mean, nothing_mentioned
from reconciler.postfix.hashed_texts import HashedTexts
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Table

_ELSEWHERE = (
    "mailbox_transport", "mailbox_transport_maps", "fallback_transport", "fallback_transport_maps", "luser_relay",
)  # fmt: skip
_COMPARED = 1 << 20  # names that the hints of a table may be compared with
_SUGGESTED = 1 << 16  # names that are held to suggest one of them
_NAME = re.compile(r"(?<![^\s,])\\?([A-Za-z0-9_][A-Za-z0-9_.+-]*)(?![^\s,])", re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check the names that the commit's aliases lead to."""
    main = Scope(merged, facts)
    parameter = main.parameter("alias_maps")
    if not parameter or transport_of(main.value("local_transport")) != "local" or any(map(main.value, _ELSEWHERE)):
        return
    references = tables_of(main, parameter)
    tables = [merged.tables.get(own_name(reference.name, facts.directory) or "") for reference in references]
    own = [table for table in tables if table and table.compiler == "postalias"]
    if not own or len(own) != len(main.words("alias_maps")):
        return
    users = frozenset(map(str.lower, facts.users))
    known = HashedTexts(chain(users, _keys(own)))
    hints = users.union(_keys(own)) if len(known) <= _SUGGESTED else frozenset[str]()
    for table in own:
        yield from _unknown(table, known, hints, main.value("recipient_delimiter"))


def _keys(tables: Iterable[Table]) -> Iterator[str]:
    return (entry.key.lower() for table in tables for entry in Entries(table))


def _unknown(table: Table, known: HashedTexts, hints: frozenset[str], marks: str) -> Iterator[Finding]:
    left = _COMPARED
    for entry in Entries(table):
        if "#" in entry.value or '"' in entry.value or "|" in entry.value or ":" in entry.value:
            continue  # commands, files and lists, which may have words of their own
        for match in _NAME.finditer(entry.value):
            name = match[1].lower()
            base = re.split(f"[{re.escape(marks)}]", name)[0] if marks else name
            if name not in known and base not in known:
                left -= len(hints)
                hint = did_you_mean(name, hints) if left >= 0 else ""
                what = f'"{entry.key}": "{match[1]}" is neither a user of this host nor an alias: mail bounces{hint}'
                yield table.finding(
                    "no-such-user", entry.line, what, f"{entry.key} {name}", severity=Severity.WARNING, lasting=False
                )


mentioned = nothing_mentioned
PASSING = frozenset({"no-such-user"})
EXPLAINED = {
    "no-such-user": (
        "An alias leads to a name that is neither a user of this host nor another alias. local would bounce its mail "
        "as unknown. Correct the name, add the user, or write a whole address. If a directory knows the user, write an "
        "allowance."
    ),
}
