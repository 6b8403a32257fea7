"""Rows of tables written in the habits of other files: ``key = value``, ``key -> value``, a backslash at the end.

postmap(1) takes everything after the first blank as the value, so each of these becomes part of an address, a route or
an action. likely_row() returns what was probably meant with a row that has no value. Pure. Raises nothing.

Known limits: rows of patterns are not judged for signs, because their results are free text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE, split_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Finding, Table

_SIGNS = (b" = ", b"\t= ", b"\t=\t", b" -> ", b"\t-> ", b" => ", b"\t=> ", b" := ", b"\t:= ", b" =\t")
_SIGN = re.compile(rb"^([^\s#][^\s]*?)(:?)[ \t]+(=|->|=>|:=)[ \t]+(\S[^\n]*)", re.MULTILINE)
_COMMENT = re.compile(rb"^(?:;|//)(?=[ \t])", re.MULTILINE)
_QUOTED = re.compile(rb'^"([^"\s@]+@[^"\s@]+)"(?=[ \t])', re.MULTILINE)
_BACKSLASH = re.compile(rb"^([^\n#][^\n]*?)[ \t]\\[ \t]*\r?$", re.MULTILINE)
_JOINED = re.compile(r"([^\s=,;|]+)(?:=>?|->|[,;|])([^\s=,;|]+)", re.ASCII)
_RESULT = re.compile(
    r" (?:REJECT|DISCARD|IGNORE|WARN|OK|DUNNO|HOLD|FILTER|REDIRECT|PREPEND|[45]\d\d)\b",
    re.ASCII | re.IGNORECASE,
)
_PATTERNS = frozenset({"pcre", "regexp"})


def odd_rows(table: Table) -> Iterator[Finding]:
    """Yield a finding for each row with a sign between key and value, or with a backslash at the end of a line."""
    if table.type not in _PATTERNS and any(sign in table.source for sign in _SIGNS):
        for match in _SIGN.finditer(table.source):
            if table.compiler == "postalias" and not match[2]:
                continue  # a row without a colon, which has no value
            key, colon, sign, value = (group.decode("utf-8", "surrogateescape") for group in match.groups())
            row = f"{key}{colon} {value.rstrip(SPACE)}"
            what = f'"{sign}" would be part of the value; write only a blank between them: {row}'
            yield table.finding("malformed-entry", _line(table, match.start()), what, key)
    if table.type not in _PATTERNS:
        for match in _COMMENT.finditer(table.source):
            yield table.finding("malformed-entry", _line(table, match.start()), 'a comment begins with "#"', "comment")
        for match in _QUOTED.finditer(table.source):
            key = match[1].decode("utf-8", "surrogateescape")
            what = f"nothing looks up a whole address in quotes; write {key}"
            yield table.finding("malformed-entry", _line(table, match.start()), what, key)
    if b"\\\n" in table.source or b"\\\r\n" in table.source or b"\\ " in table.source:
        for match in _BACKSLASH.finditer(table.source):
            what = (
                'the "\\" at the end of the line would be part of the value; remove it: a line that begins with blanks'
            )
            yield table.finding("malformed-entry", _line(table, match.start()), f"{what} continues the one above", "\\")


def _line(table: Table, position: int) -> int:
    return table.source.count(b"\n", 0, position) + 1


def likely_row(table: Table, text: str) -> str:
    """Return ``; write ROW`` for the text of a row that has no value, or an empty text if it is unknown."""
    if table.type in _PATTERNS:
        match = _RESULT.search(text)
        if not match or text.startswith(("/", "!", "{")):
            return ""
        pattern, result = text[: match.start()].strip(SPACE), text[match.start() :].strip(SPACE)
        return f"; a pattern stands between slashes: /{pattern}/ {result}"
    words = split_words(text, 1)
    if table.compiler == "postalias":
        value = words[1].lstrip(f"={SPACE}") if len(words) > 1 and ":" not in words[0] else ""
        return f"; write {words[0]}: {value}" if value else ""
    if len(words) == 1 and (joined := _JOINED.fullmatch(text)):
        return f"; put a blank between them: {joined[1]} {joined[2]}"
    return ""
