"""A mailbox in the form of a folder must be written with a slash at its end: without one it is a file (mbox).

local(8) and virtual(8) decide by the last character. Where the folder exists, a file of the same name can't be made,
and the mail bounces. Raises nothing.

Known limit: only names that contain "maildir", and tables of mailboxes with both forms, show what was meant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Severity, nothing_mentioned
from reconciler.postfix.reached import unreached_agents
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.table_cache import CachedTable
from reconciler.postfix.table_parts import holds
from reconciler.postfix.table_uses import uses_by_table
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter, Table

_PLACE = re.compile(r'(?<![^\s,"])/[^\s,"|:]*[Mm]aildir(?=[\s,"]|$)', re.ASCII)
_PLACES = frozenset({"home_mailbox", "mail_spool_directory"})
_THEN = "it is one file in mbox format; where a folder of that name exists, mail bounces"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that a mailbox which is meant to be a folder ends in a slash."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in _PLACES:
                yield from _setting(scope, parameter)
    uses, unreached = uses_by_table(merged, facts), unreached_agents(merged, facts)
    for name, table in desired.tables.items():
        named = {use.name for use in uses.get(name, ())}
        if "virtual_mailbox_maps" in named and "virtual" not in unreached:
            yield from CachedTable(table).ask(_mailboxes)
        elif "alias_maps" in named and table.type not in PATTERN_TYPES and holds(table, b"aildir"):
            yield from CachedTable(table).ask(_aliases)


def _setting(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    text = scope.expanded(parameter.value) or ""
    if parameter.name == "home_mailbox" and _is_folder(text):
        what = f'home_mailbox is "{text}" without a slash at its end: {_THEN}; did you mean {text}/?'
        yield scope.warning("mailbox-is-a-file", parameter, what, text)
    elif parameter.name == "mail_spool_directory" and not text.endswith("/") and any(map(_is_folder, text.split("/"))):
        what = f'mail_spool_directory is "{text}" without a slash at its end: each mailbox there is one file in mbox'
        yield scope.warning("mailbox-is-a-file", parameter, f"{what} format; did you mean {text}/?", text)


def _is_folder(path: str) -> bool:
    """Return whether the last name of a path is that of a folder in Maildir format."""
    return path.rpartition("/")[2].lower() in {"maildir", ".maildir", "maildirs"}


def _mailboxes(table: Table) -> Iterator[Finding]:
    """Yield mailboxes that are named as folders, or that are files although most of the others are folders."""
    folders = files = 0
    for entry in Entries(table):
        folders, files = folders + entry.value.endswith("/"), files + (not entry.value.endswith("/"))
    for entry in Entries(table) if files else ():
        value = entry.value
        if not value.endswith("/") and (folders > files or _is_folder(value)):
            what = f'"{entry.key}": the mailbox "{value}" has no slash at its end: {_THEN}; did you mean {value}/?'
            yield table.finding("mailbox-is-a-file", entry.line, what, entry.key, severity=Severity.WARNING)


def _aliases(table: Table) -> Iterator[Finding]:
    for entry in Entries(table):
        if place := _PLACE.search(entry.value):
            what = f'"{entry.key}": "{place[0]}" has no slash at its end: {_THEN}; did you mean {place[0]}/?'
            yield table.finding("mailbox-is-a-file", entry.line, what, entry.key, severity=Severity.WARNING)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "mailbox-is-a-file": (
        "A mailbox has the name of a folder, or stands among mailboxes that are folders, but does not end in a slash. "
        "Postfix then writes one file in mbox format. Where the folder exists, it can't, and the mail bounces (Is a "
        "directory). Add the slash, or give the file another name."
    ),
}
