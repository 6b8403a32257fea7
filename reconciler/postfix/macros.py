"""``$name`` in main.cf values, as mac_parse(3) and mac_expand(3) read it.

references() and expand() raise MalformedMacro for text that Postfix cannot expand. Both sides of
``${name?{yes}:{no}}`` count as references, as they do for postconf(1).

Known limit: ``level`` is the only supported suffix of an operator (``<level``), as in Postfix's own defaults.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if TYPE_CHECKING:
    Lookup = Callable[[str], str | None]
MAX_DEPTH = 100  # mac_expand(3)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip
_NAME = re.compile(r"\s*([A-Za-z0-9_]+)\s*(?=[?:]|\Z)")
_OPERATOR = re.compile(r"([<>!=?+*/~&|%-]*)([A-Za-z0-9]*)\s*")
_CLOSING = {"(": ")", "{": "}"}


class MalformedMacro(Exception):  # noqa: N818 - the name describes the text
    """mac_expand(3) cannot expand the text."""


class EndlessMacro(MalformedMacro):
    """A value refers to itself."""


class Macro(NamedTuple):
    """One ``${...}``: a name or a comparison, and the texts that replace it if that is *filled* or *empty*."""

    name: str
    comparison: tuple[str, str, str] | None
    filled: str | None
    empty: str | None


def references(text: str) -> Iterator[str]:
    """Yield each name that *text* refers to."""
    for piece in _pieces(text):
        if isinstance(piece, str):
            continue
        if piece.comparison:
            yield from references(piece.comparison[0])
            yield from references(piece.comparison[2])
        else:
            yield piece.name
        for side in (piece.filled, piece.empty):
            yield from references(side or "")


def expand(text: str, lookup: Lookup, depth: int = 0) -> str:
    """Return *text* with each name replaced by its value; a name that *lookup* does not know is empty."""
    if depth > MAX_DEPTH:
        raise EndlessMacro(f'"{text}" refers to itself')
    if "$" not in text:
        return text
    pieces = _pieces(text)
    return "".join(piece if isinstance(piece, str) else _expanded(piece, lookup, depth + 1) for piece in pieces)


def _expanded(macro: Macro, lookup: Lookup, depth: int) -> str:
    value = _compared(*macro.comparison, lookup, depth) if macro.comparison else lookup(macro.name) or ""
    if macro.filled is None and macro.empty is None:
        return expand(value, lookup, depth)
    return expand((macro.filled if value else macro.empty) or "", lookup, depth)


def _compared(left: str, sign: str, right: str, lookup: Lookup, depth: int) -> str:
    sides = expand(left, lookup, depth), expand(right, lookup, depth)
    compare = _OPERATORS[sign.removesuffix("level")]
    if sign.endswith("level"):
        # Levels compare number by number: 3.10 is above 3.9.
        true = compare(*(tuple(int(part) for part in re.findall(r"\d+", side)) for side in sides))
    elif all(side.isdigit() for side in sides):
        true = compare(*map(int, sides))
    else:
        true = compare(*sides)
    return "true" if true else ""


def _pieces(text: str) -> Iterator[str | Macro]:
    """Yield literal texts and macros in their order; ``$$`` is a literal dollar."""
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        yield text[position:dollar]
        after = text[dollar + 1 : dollar + 2]
        if after == "$":
            yield "$"
            position = dollar + 2
        elif after in _CLOSING:
            inside, position = _enclosed(text, dollar + 1)
            yield _macro(inside)
        elif match := re.compile(r"[A-Za-z0-9_]+").match(text, dollar + 1):
            yield Macro(match.group(), None, None, None)
            position = match.end()
        else:
            raise MalformedMacro(f'"${after}" is not a parameter name; write a literal dollar sign as $$')
    yield text[position:]


def _enclosed(text: str, start: int) -> tuple[str, int]:
    """Return the text between the bracket at *start* and its closing bracket, and the position after that."""
    opening, closing = text[start], _CLOSING[text[start]]
    level = 0
    for position in range(start, len(text)):
        level += (text[position] == opening) - (text[position] == closing)
        if level == 0:
            return text[start + 1 : position], position + 1
    raise MalformedMacro(f'"{text[start - 1 : start + 30]}" has no closing "{closing}"')


def _macro(inside: str) -> Macro:
    name, comparison, rest = "", None, inside.lstrip()
    if rest.startswith("{"):
        left, end = _enclosed(rest, 0)
        match = _OPERATOR.match(rest := rest[end:].lstrip())
        if not match or match[1] not in _OPERATORS or not rest[match.end() :].startswith("{"):
            raise MalformedMacro(f'"${{{inside}}}": expected {{a}} == {{b}}')
        right, end = _enclosed(rest, match.end())
        comparison, rest = (left, match[1] + match[2], right), rest[end:].lstrip()
    elif name_match := _NAME.match(inside):
        name, rest = name_match[1], inside[name_match.end() :]
    else:
        raise MalformedMacro(f'"${{{inside}}}" contains no parameter name')
    return Macro(name, comparison, *_sides(rest, inside))


def _sides(rest: str, inside: str) -> tuple[str | None, str | None]:
    """Return the texts after ``?`` and after ``:``; without braces, such a text extends to the end."""
    filled = empty = None
    if rest.startswith("?"):
        filled, rest = _side(rest[1:])
    if rest.startswith(":"):
        empty, rest = _side(rest[1:])
    if rest:
        raise MalformedMacro(f'"${{{inside}}}": unexpected "{rest}"')
    return filled, empty


def _side(rest: str) -> tuple[str, str]:
    if not rest.lstrip().startswith("{"):
        return rest, ""
    text, end = _enclosed(rest.lstrip(), 0)
    return text, rest.lstrip()[end:].lstrip()
