"""Patterns of regexp and pcre tables, tried on a text. Raises nothing.

Known limit: Python's own expressions stand in for POSIX and Perl ones; an expression that Python can't read matches
nothing.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.postfix.tables import PATTERN_TYPES, Entries, has_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Table
    from reconciler.postfix.tables import Entry


def matches(key: str, text: str) -> bool:
    """Return whether a pattern with its slashes and flags matches; unknown syntax does not match."""
    pattern = key.lstrip("!")
    body, _, flags = pattern[1:].rpartition(pattern[:1])
    with suppress(re.error, RecursionError):
        found = re.search(body, text, 0 if "i" in flags else re.IGNORECASE | re.ASCII) is not None
        return found != key.startswith("!")
    return False


def first_match(table: Table, text: str) -> Entry | None:
    """Return the first entry of a pattern or static: table that matches, or None; ``if`` blocks match nothing."""
    if table.type == "static":
        return next(iter(Entries(table)), None)
    if table.type not in PATTERN_TYPES or has_blocks(table):
        return None
    return next((entry for entry in Entries(table) if matches(entry.key, text)), None)


def takes_all(table: Table, texts: Iterable[str]) -> Entry | None:
    """Return the entry that is the first match of each text, or None if there is no such entry."""
    first = {first_match(table, text) for text in texts}
    return first.pop() if len(first) == 1 else None
