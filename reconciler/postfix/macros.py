"""``$name`` in main.cf values, as mac_parse(3) and mac_expand(3) read it.

references() and expand() raise MalformedMacro for text that Postfix cannot expand. expand() raises ValueTooLarge for
text whose expansion is beyond limits.VALUE. Both sides of ``${name?{yes}:{no}}`` count as references, as they do for
postconf(1).

Known limit: ``level`` is the only supported suffix of an operator (``<level``), as in Postfix's own defaults.
"""

from __future__ import annotations

import functools
import operator
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.model import limits
from reconciler.model.ascii_text import SPACE, is_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

if TYPE_CHECKING:
    Lookup = Callable[[str], str | None]
MAX_DEPTH = 100  # mac_expand(3)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip
_NAME = re.compile(r"\s*([A-Za-z0-9_]+)\s*(?=[?:]|\Z)", re.ASCII)
_OPERATOR = re.compile(r"([<>!=?+*/~&|%-]*)([A-Za-z0-9]*)\s*", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_SHORT = 200  # characters of a text whose pieces are remembered
_EACH = 8  # the work for a name, in characters
_CLOSING = {"(": ")", "{": "}"}


class MalformedMacro(Exception):  # noqa: N818 - the name describes the text
    """mac_expand(3) cannot expand the text."""


class EndlessMacro(MalformedMacro):
    """A value refers to itself."""


class ValueTooLarge(MalformedMacro):
    """The values that a value refers to, directly or through others, are too large together."""


class Macro(NamedTuple):
    """One ``${...}``: a name or a comparison, and the texts that replace it if that is *filled* or *empty*."""

    name: str
    comparison: tuple[str, str, str] | None
    filled: str | None
    empty: str | None


class _Room:
    """What one expansion has taken: the length of each text that is read, and a little more for the work."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, text: str) -> None:
        self.taken += len(text) + _EACH
        if self.taken > limits.VALUE:
            raise ValueTooLarge(f"it is longer than {limits.VALUE} characters when its names are expanded")


def references(text: str, depth: int = 0) -> Iterator[str]:
    """Yield each name that *text* refers to."""
    if depth > MAX_DEPTH:
        raise MalformedMacro(f"braces are nested deeper than {MAX_DEPTH} levels")
    if "$" not in text:  # as most values are
        return
    for piece in _pieces(text):
        if isinstance(piece, str):
            continue
        if piece.comparison:
            yield from references(piece.comparison[0], depth + 1)
            yield from references(piece.comparison[2], depth + 1)
        else:
            yield piece.name
        for side in (piece.filled, piece.empty):
            yield from references(side or "", depth + 1)


def expand(text: str, lookup: Lookup) -> str:
    """Return *text* with each name replaced by its value; a name that *lookup* does not know is empty."""
    if "$" not in text and len(text) < limits.VALUE:  # as most values are
        return text
    return _expand(text, lookup, 0, _Room())


def cost(text: str, lookup: Lookup) -> int:
    """Return how many characters an expansion reads; it never reads many more than limits.VALUE."""
    if "$" not in text:
        return len(text) + _EACH
    room = _Room()
    with suppress(MalformedMacro):
        _expand(text, lookup, 0, room)
    return room.taken


def _expand(text: str, lookup: Lookup, depth: int, room: _Room) -> str:
    room.take(text)
    if depth > MAX_DEPTH:
        raise EndlessMacro(f'"{text}" refers to itself')
    if "$" not in text:
        return text
    pieces = _pieces(text)
    return "".join(piece if isinstance(piece, str) else _expanded(piece, lookup, depth + 1, room) for piece in pieces)


def _expanded(macro: Macro, lookup: Lookup, depth: int, room: _Room) -> str:
    value = _compared(macro.comparison, lookup, depth, room) if macro.comparison else lookup(macro.name) or ""
    if macro.filled is None and macro.empty is None:
        return _expand(value, lookup, depth, room)
    return _expand((macro.filled if value else macro.empty) or "", lookup, depth, room)


def _compared(comparison: tuple[str, str, str], lookup: Lookup, depth: int, room: _Room) -> str:
    left, sign, right = comparison
    sides = _expand(left, lookup, depth, room), _expand(right, lookup, depth, room)
    compare = _OPERATORS[sign.removesuffix("level")]
    if sign.endswith("level"):
        # Levels compare number by number: 3.10 is above 3.9.
        true = compare(*(tuple(map(_number, re.findall(r"\d+", side, re.ASCII))) for side in sides))
    elif all(is_digits(side) for side in sides):
        true = compare(*map(_number, sides))
    else:
        true = compare(*sides)
    return "true" if true else ""


def _number(digits: str) -> tuple[int, str]:
    """Return a key that sorts as the number does; Python refuses to read a number of thousands of digits."""
    digits = digits.lstrip("0")
    return len(digits), digits


def _pieces(text: str) -> Iterable[str | Macro]:
    """Return literal texts and macros in their order; ``$$`` is a literal dollar."""
    return _remembered(text) if len(text) <= _SHORT else _read(text)


@functools.lru_cache(maxsize=1024)  # all services refer to the same few names
def _remembered(text: str) -> tuple[str | Macro, ...]:
    return tuple(_read(text))


def _read(text: str) -> Iterator[str | Macro]:
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
        elif match := _PLAIN.match(text, dollar + 1):
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
    name, comparison, rest = "", None, inside.lstrip(SPACE)
    if rest.startswith("{"):
        left, end = _enclosed(rest, 0)
        match = _OPERATOR.match(rest := rest[end:].lstrip(SPACE))
        if not match or match[1] not in _OPERATORS or not rest[match.end() :].startswith("{"):
            raise MalformedMacro(f'"${{{inside}}}": expected {{a}} == {{b}}')
        right, end = _enclosed(rest, match.end())
        comparison, rest = (left, match[1] + match[2], right), rest[end:].lstrip(SPACE)
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
    if not rest.lstrip(SPACE).startswith("{"):
        return rest, ""
    text, end = _enclosed(rest.lstrip(SPACE), 0)
    return text, rest.lstrip(SPACE)[end:].lstrip(SPACE)
