"""Fold lines to the width of a terminal; elsewhere they stay whole, so that grep(1) finds them. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEAST = 40
GIT = 72
"""The columns of a line that a hook prints: git(1) puts "remote: " in front of it."""


def fold(lines: Iterable[str], width: int) -> Iterator[str]:
    """Yield the lines, with the rest of a long one below its beginning; *width* 0 folds nothing."""
    for line in lines:
        if not width or len(line) <= width:
            yield line
        else:
            yield from textwrap.wrap(
                line, width, subsequent_indent=" " * _hang(line), break_long_words=False, break_on_hyphens=False,
                drop_whitespace=True,
            )  # fmt: skip


def _hang(line: str) -> int:
    """Return the column of the text that a line's label precedes; four more than the line's own indentation without."""
    indent = len(line) - len(line.lstrip(" "))
    label, gap, _ = line[indent:].partition("  ")
    start = indent + len(label)
    while gap and line[start] == " ":
        start += 1
    return start if gap and start < LEAST // 2 else indent + 4
