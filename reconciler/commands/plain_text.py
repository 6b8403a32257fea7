"""The pages of docs/ as plain text for a terminal. Pure, and raises nothing.

It knows the Markdown that these pages use: headings, paragraphs, lists, tables, code (indented, or between fences) and
links. Code keeps its lines and its backticks. A table that is too wide becomes a list of its rows.

Known limit: a cell that contains ``|`` ends there.
"""

from __future__ import annotations

import re
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEADING = re.compile(r"(#{1,6}) +(?=[^ ])")
_ITEM = re.compile(r" *(?:[*-]|[0-9]{1,3}\.) +(?=[^ ])")
_LINK = re.compile(r"\[([^\[\]]+)\]\(([^()\s]+)\)", re.ASCII)
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_RULE = re.compile(r"[|:\- ]+")
_FENCE, _CODE = "```", "    "


def as_plain_text(page: str, width: int) -> str:
    """Return the text of a page, folded to that width."""
    blocks = ["\n".join(block) for block in _blocks(page.split("\n"), width) if block]
    return "\n\n".join(blocks) + "\n"


def title_of(page: str) -> str:
    """Return the heading of a page."""
    return next((_inline(line[2:]) for line in page.split("\n") if line.startswith("# ")), "")


def _blocks(lines: Sequence[str], width: int) -> Iterator[list[str]]:
    """Yield the lines of each block: of a heading, of a paragraph with its list, of a table, or of code."""
    for kind, group in groupby(_sorted(lines), key=lambda one: one[0]):
        block = [line for _, line in group]
        match kind.partition(" ")[0]:
            case "code":
                yield [f"{_CODE}{line}".rstrip(SPACE) for line in _trimmed(block)]
            case "heading":
                (line,) = block
                level, text = len(line) - len(line.lstrip("#")), _inline(line.lstrip("#").strip(SPACE))
                folded = _folded(text, "", width)
                yield [*folded, ("=" if level == 1 else "-") * max(map(len, folded))]
            case "table":
                yield list(_table([_cells(line) for line in block if not _RULE.fullmatch(line)], width))
            case "text":
                yield list(_text(block, width))


def _sorted(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each line with the kind of its block; code is there without its indentation."""
    fenced, before, number = False, "", 0
    for line in lines:
        number += 1
        if line.startswith(_FENCE):
            fenced, before = not fenced, ""
            yield f"fence {number}", ""
            continue
        listed = before in ("text", "item")
        if fenced or (line.startswith(_CODE) and not listed) or (not line and before == "code"):
            before = "code"
            yield before, line if fenced else line.removeprefix(_CODE)
        elif not line:
            before = ""
            yield f"gap {number}", ""
        elif _HEADING.match(line):
            before = ""
            yield f"heading {number}", line
        else:
            before = "table" if line.startswith("|") else "text"
            yield before, line


def _trimmed(block: list[str]) -> list[str]:
    """Return code without empty lines at its end."""
    while block and not block[-1]:
        block.pop()
    return block


def _text(block: list[str], width: int) -> Iterator[str]:
    """Yield a paragraph and the items of a list, each folded below its beginning."""
    parts: list[list[str]] = []
    for line in block:
        if _ITEM.match(line) or not parts:
            parts.append([line])
        else:
            parts[-1].append(line)
    for first, *rest in parts:
        item = _ITEM.match(first)
        text = _inline(" ".join([first.strip(SPACE), *(line.strip(SPACE) for line in rest)]))
        indent = len(first) - len(first.lstrip(" "))
        hang = " " * (item.end() if item else indent)
        yield from _folded(" " * indent + text, hang, width)


def _folded(text: str, hang: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


# ---- tables ----------------------------------------------------------------------------------------------------------


def _cells(line: str) -> list[str]:
    return [_inline(cell.strip(SPACE).replace("<br>", ", ")) for cell in line.strip(SPACE).strip("|").split("|")]


def _table(rows: list[list[str]], width: int) -> Iterator[str]:
    """Yield the rows in columns if they fit, else each row as a small list with the heads of the columns."""
    if not rows:
        return
    columns = max(map(len, rows))
    rows = [[*row, *([""] * (columns - len(row)))] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(columns)]
    heads, *others = rows
    if sum(widths) + 2 * (columns - 1) <= width:
        for row in (heads, ["-" * size for size in widths], *others):
            yield "  ".join(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True)).rstrip(SPACE)
        return
    yield from _folded(" / ".join(filter(None, heads)), "", width)
    for first, *rest in others:
        yield ""
        yield from _folded(first or "-", "  ", width)
        for head, cell in zip(heads[1:], rest, strict=True):
            if cell:
                yield from _folded(f"    {head}: {cell}" if columns > 2 and head else f"    {cell}", "      ", width)  # noqa: PLR2004 - a name and its meaning need no head


# ---- inside a line ---------------------------------------------------------------------------------------------------


def _inline(text: str) -> str:
    return _BOLD.sub(r"\1", _LINK.sub(_linked, text))


def _linked(match: re.Match[str]) -> str:
    """Return what a link says, and how to follow it on a terminal."""
    text, target = match[1], match[2]
    if target.startswith(("http:", "https:")):
        return text if text == target else f"{text} ({target})"
    page = re.fullmatch(r"(?:\.\./)?(?:docs/)?([a-z_-]+)\.md(?:#.*)?", target)
    return f"{text} (`reconciler help {page[1]}`)" if page else text
