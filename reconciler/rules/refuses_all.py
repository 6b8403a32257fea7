"""A pattern that refuses some mail must not refuse all of it, such as ``/viagra|/``, whose second half matches all.

The rule tries patterns with a few addresses, headers and lines that have nothing in common. A last pattern for the
rest, after entries that let some pass, is a list of the permitted, and fine. Raises nothing; all findings are warnings.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned
from reconciler.model.finding import Severity
from reconciler.postfix.patterns import takes_all
from reconciler.postfix.scopes import FILE, Scope
from reconciler.postfix.table_uses import inline_tables, uses_by_table
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Table
    from reconciler.postfix.tables import Entry

_SENDERS = ("a.stranger@example.com", "info@mail.stranger.net", "x@a.b.co.uk")
_CLIENTS = ("mail.stranger.net", "8.8.8.8", "2001:db8::77")
_CONTENTS = ("q7x", "Zw 9", "k-l <m@n.example>")
_LINES = ("q7x zw", "9 KJ, lm.", "(%%)")
_CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
# Headers that nearly every message has.
_HEADERS = ("From", "To", "Subject", "Date", "Received", "Message-ID")
_REFUSES = re.compile(r"(?:reject|discard|defer|defer_if_permit|hold|[45]\d\d)(?:\s|\Z)", re.IGNORECASE | re.ASCII)
_PERMITS = re.compile(r"(?:ok|permit|dunno|relay|\d+\Z|permit_\w+|ignore|warn|info|prepend)", re.IGNORECASE | re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that no pattern refuses every address, every message or every line."""
    samples = _samples(Scope(merged, facts))
    uses = uses_by_table(merged, facts)
    for name, table in desired.tables.items():
        for use in sorted(use.name for use in uses.get(name, ())):
            yield from _refuses(table, use, samples)
    for inline in inline_tables(merged, facts):
        yield from map(inline.finding, _refuses(inline.table, inline.use.name, samples))


def _samples(main: Scope) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return the texts by the use of a table: who refuses each text of one group refuses all mail."""
    words = (word for name in _CLASSES for word in main.words(name))
    own = [word.lower() for word in words if ":" not in word and not word.startswith((*FILE, "!", "localhost"))][:3]
    recipients = tuple(f"{user}@{domain}" for domain in own for user in ("postmaster", "q7x.zw"))
    return {
        "check_sender_access": (_SENDERS,),
        "check_client_access": (_CLIENTS,),
        "check_recipient_access": (recipients,) if recipients else (),
        "header_checks": tuple(tuple(f"{header}: {content}" for content in _CONTENTS) for header in _HEADERS),
        "body_checks": (_LINES,),
    }


def _refuses(table: Table, use: str, samples: dict[str, tuple[tuple[str, ...], ...]]) -> Iterator[Finding]:
    if table.type not in PATTERN_TYPES:
        return
    for texts in samples.get(use.removeprefix("smtp_"), ()):
        entry = takes_all(table, texts)
        if entry and _REFUSES.match(entry.value) and not _is_rest(table, entry):
            what = f'"{entry.key}" matches every text that {use} asks about, such as "{texts[0]}": all mail is refused'
            yield table.finding("refuses-all", entry.line, what, entry.key, severity=Severity.WARNING)
            return


def _is_rest(table: Table, entry: Entry) -> bool:
    """Return whether entries before this one let some pass."""
    before = takewhile(lambda one: one != entry, Entries(table))
    return any(_PERMITS.match(one.value) for one in before)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "refuses-all": (
        "A pattern that should refuse some mail matches every address, every header of a kind that each message has, "
        "or every line, so it refuses all mail. Often an alternative is empty, as in /(a|b|)/. Narrow the pattern, or "
        "put entries before it that let the permitted ones pass."
    ),
}
