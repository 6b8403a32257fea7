"""The parts in which two texts of master.cf differ: of thousands of services, a commit changes one.

differing_services() promises that whole services are in each part, and that no service of the rest has the name of one
of them; else the parts are the whole texts. Pure. Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = re.compile(r"^[^\s#]", re.ASCII | re.MULTILINE)  # of an entry, which ends the one before
_NAME = re.compile(r"(?:\A|\n)([^\s#]+)", re.ASCII)
_BLANKS = frozenset(" \t\n\r\f\v")
_MOST = 64
"""Services in a part; more of them are compared as quickly by reading all."""


def differing_services(old: str, new: str) -> tuple[str, str]:
    """Return the parts of two texts of master.cf between the services that they begin and end with alike."""
    start = last_start(old, _alike(old, new))
    tail = _alike(old[start:][::-1], new[start:][::-1])
    end = next((end for end in _ends(old, len(old) - tail) if _begins(new, end + len(new) - len(old))), len(old))
    tail = len(old) - end
    parts = old[start:end], new[start : len(new) - tail]
    names = {name for part in parts for name in _NAME.findall(part)}
    same = old[:start], old[len(old) - tail :]
    if len(names) > _MOST or any(_holds(text, names) for text in same):
        return old, new
    return parts


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def last_start(text: str, before: int) -> int:
    """Return where the last entry begins of which a character is before that place; 0 if there is none."""
    line = text.rfind("\n", 0, before) + 1
    while line and not (line < before and _begins(text, line)):
        line = text.rfind("\n", 0, line - 1) + 1
    return line


def _ends(text: str, place: int) -> Iterator[int]:
    """Yield where entries begin from a place on."""
    return (found.start() for found in _START.finditer(text, place))


def _begins(text: str, place: int) -> bool:
    """Return whether an entry begins at a place."""
    return bool(_START.match(text, place))


def _holds(text: str, names: set[str]) -> bool:
    return any(_holds_one(f"\n{text}", f"\n{name}") for name in names)


def _holds_one(text: str, line: str) -> bool:
    """Return whether a line begins so, and a blank or the end of the line follows."""
    place = text.find(line)
    while place >= 0:
        if text[place + len(line) : place + len(line) + 1] in _BLANKS:
            return True
        place = text.find(line, place + 1)
    return False
