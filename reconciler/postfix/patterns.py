"""Patterns of regexp and pcre tables, tried on a text. Raises nothing.

Known limit: Python's own expressions stand in for POSIX and Perl ones, with POSIX's classes of characters. An
expression that Python can't read matches nothing.
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


_BEFORE_SET = re.compile(r"(?:\\.|[^\[\\])*", re.DOTALL)
_SET = re.compile(r"\[(\^?\]?)((?:\[:\w+:\]|\\.|[^\]\\])*)\]", re.ASCII | re.DOTALL)
_CLASS = re.compile(r"\[:(\w+):\]", re.ASCII)
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": "\\s", "upper": "A-Z",
    "word": "\\w", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_SPECIAL = re.compile(r"(?<!\\)\[|([&|~])(?=\1)")


def matches(key: str, text: str) -> bool:
    """Return whether a pattern with its slashes and flags matches; unknown syntax does not match."""
    pattern = key.lstrip("!")
    body, _, flags = pattern[1:].rpartition(pattern[:1])
    with suppress(re.error, RecursionError):
        found = re.search(_as_python(body), text, 0 if "i" in flags else re.IGNORECASE | re.ASCII) is not None
        return found != key.startswith("!")
    return False


def _as_python(body: str) -> str:
    """Return a pattern with each of its sets as Python writes it; what follows a set that is not closed stays."""
    parts, place = list[str](), 0
    while before := _BEFORE_SET.match(body, place):
        found = _SET.match(body, before.end())
        if not found:
            break
        parts += (before[0], _set_as_python(found))
        place = found.end()
    return "".join((*parts, body[place:]))


def _set_as_python(found: re.Match[str]) -> str:
    """Return a set of characters as Python writes it: without POSIX classes, and without Python's own signs."""
    parts = _CLASS.split(found[2])  # every second part is the name of a class
    plain = [_SPECIAL.sub(r"\\\g<0>", part) for part in parts[::2]]
    classes = [_CLASSES.get(name, "") for name in parts[1::2]]
    inside = "".join(text + known for text, known in zip(plain, [*classes, ""], strict=True))
    return f"[{found[1]}{inside}]"


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
