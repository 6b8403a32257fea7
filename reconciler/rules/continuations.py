"""A continuation line must belong to the entry that its author sees above it: a comment does not end an entry.

Where the first line of an entry is commented out and its other lines are not, Postfix adds these to the entry before:
its recipients become those of another alias. Raises nothing.

Known limit: the rule compares commas: the comment ends in one, and the entry before does not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.table_cache import CachedTable
from reconciler.postfix.table_parts import is_large, is_plain_throughout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Table

_ENTRY = re.compile(r"#\s*([^\s#,]+)\s+\S", re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that no line continues an entry across one that is commented out."""
    for table in desired.tables.values():
        if is_large(table) and is_plain_throughout(table):
            continue
        if b"#" in table.source and b",\n" in table.source and (b"\n " in table.source or b"\n\t" in table.source):
            yield from CachedTable(table).ask(_strayed)


def _strayed(table: Table) -> Iterator[Finding]:
    """Yield the first line of each entry that lost its key to a comment."""
    commented, complete = "", False
    for number, line in enumerate(table.source.decode("utf-8", "surrogateescape").split("\n"), 1):
        text = line.strip(SPACE)
        if line.startswith("#"):
            match = _ENTRY.match(line) if text.endswith(",") else None
            commented = match[1].rstrip(":") if match else commented
        elif text and not text.startswith("#"):
            if line[0] in " \t" and commented and complete:
                what = (
                    f'"{text}" was part of "{commented}", which is commented out; now it continues the entry before the'
                    " comment; comment it out as well"
                )
                yield table.finding("commented-entry", number, what, commented, severity=Severity.WARNING)
            commented, complete = "", not text.endswith(",")


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "commented-entry": (
        "The first line of an entry of a table is a comment, but the lines that continue it are not. For Postfix a "
        "comment does not end the entry above, so that entry gets these lines. Put # before them too."
    ),
}
