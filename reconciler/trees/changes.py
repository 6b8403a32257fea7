"""How changes read: a line for each with its mark, both values and the place of what made it, and their number.

A change begins with ``+``, ``-`` or ``~``. Where a line is too long for *width* columns, the values come on lines of
their own; they are cut only if even that is too long, where both are equal at first, and never if they are to be
*whole*. With *width* 0, as off a terminal, every change is one whole line. Pure; raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import BESIDE, UNWRITTEN, Effect, Kind, printable
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.model.hidden_values import shown, without_passwords
from reconciler.postfix.syntax import one_line, read_master
from reconciler.trees.fold import GIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model import Change

WIDTH, MOST = GIT, 40
_WIDEST_NAME, _USUAL = 32, 80
_CUT = "..."
_INSIDE, _THEN = "      ", "   -> "
_BUILT_IN = "(built in)"
_DIGEST = re.compile(r"[0-9a-f]{12}")


def change_lines(
    changes: Sequence[Change], most: int = MOST, width: int = WIDTH, *, whole: bool = False
) -> Iterator[str]:
    """Yield the lines of each change; after *most* changes, yield the number of the others."""
    first = changes[:most]
    name_width = min(max((len(_name(change)) for change in first), default=0), _WIDEST_NAME)
    for change in first:
        yield from _lines(change, name_width, width, whole=whole)
    if len(changes) > most:
        yield f"  ... and {len(changes) - most} more"


def totals(changes: Sequence[Change]) -> dict[str, int]:
    """Return how many changes change, add and remove something."""
    marks = [_mark(change) for change in changes]
    return {"changed": marks.count("~"), "added": marks.count("+"), "removed": marks.count("-")}


def totals_line(changes: Sequence[Change]) -> str:
    """Return the numbers in words, such as ``3 changed, 1 added``."""
    return ", ".join(f"{number} {what}" for what, number in totals(changes).items() if number)


def _lines(change: Change, name_width: int, width: int, *, whole: bool) -> Iterator[str]:
    name, place = _name(change), _place(change)
    is_compared, texts = _texts(change)
    start = f"  {_mark(change)} {name:<{name_width}}"
    room = min(width or WIDTH, _USUAL)
    line = _with_place(f"{start}  {(' -> ' if is_compared else '; ').join(texts)}".rstrip(SPACE), place, room)
    if not width or len(line) <= width:
        yield line
        return
    yield _with_place(start.rstrip(SPACE), place, room)
    marks = (_INSIDE, _THEN) if is_compared else [_INSIDE] * len(texts)
    cut = texts if whole else _shortened(texts, width - len(_INSIDE), is_compared=is_compared)
    yield from (f"{mark}{text}" for mark, text in zip(marks, cut, strict=False))


def _with_place(line: str, place: str, room: int) -> str:
    """Return the line with the place at its right, if there is one."""
    return f"{line.ljust(room - len(place) - 2)}  {place}" if place else line


def values(change: Change) -> tuple[str | None, str | None]:
    """Return the values before and after for people and programs, without what may be a password."""
    name = change.within or (change.what if change.kind is Kind.PARAMETER else "")
    before, after = (shown(name, text) if text is not None else None for text in (change.before, change.after))
    return before, after


def _mark(change: Change) -> str:
    return "+" if change.before is None else "-" if change.after is None else "~"


def _name(change: Change) -> str:
    """Return the name of the item; a row of a table has the table's name too, unless its place has it."""
    name = printable(change.what).removeprefix(BESIDE)
    file = change.where.file if change.where and change.after is not None else ""
    is_told = not change.within or file.rpartition("/")[2].partition(".")[0] == change.within
    return name if is_told else f"{change.within}: {name}"


def _place(change: Change) -> str:
    """Return the place of what made the change; what is gone has none."""
    if change.where is None or change.after is None:
        return ""
    return _BUILT_IN if change.where is UNWRITTEN else f"{change.where.file}:{change.where.line}"


def _texts(change: Change) -> tuple[bool, list[str]]:
    """Return what to show of a change; and whether that is the values before and after, and not single facts."""
    if change.kind is Kind.SERVICE and (fields := list(_fields(change.before or "", change.after or ""))):
        return False, fields
    before, after = values(change)
    if change.kind is Kind.SERVICE:
        before, after = (_service_text(text, change.what) for text in (before, after))
    if change.effect is Effect.SAME and _DIGEST.fullmatch(before or "") and _DIGEST.fullmatch(after or ""):
        return False, ["only comments, order or blanks"]
    is_whole = change.kind in {Kind.TABLE, Kind.FILE, Kind.LINK} and None in {before, after}
    texts = [_shown(text, change.kind if is_whole else "") for text in (before, after) if text is not None]
    return (False, texts[:1]) if len(set(texts)) == 1 else (True, texts)


def _shown(text: str, kind: str) -> str:
    """Return a value for display; for a whole file, with what it is."""
    what = f"{kind} of " if kind and is_digits(text[:1]) else f"{kind} " if kind else ""
    return what + (printable(text) or "(empty)")


def _fields(before: str, after: str) -> Iterator[str]:
    """Yield what changes of a service, by the names of master(5); nothing if it can't be read."""
    services = [read_master(text, "")[0] for text in (before, after)]
    if not all(services):
        return
    old, new = (one[0] for one in services)
    for field in ("private", "unprivileged", "chroot", "wakeup", "maxproc", "command"):
        if (was := getattr(old, field)) != (is_ := getattr(new, field)):
            yield f"{field} {printable(was)} -> {printable(is_)}"
    was_set, is_set = ({one.name: one_line(one.value) for one in side.overrides} for side in (old, new))
    for name in dict.fromkeys((*was_set, *is_set)):
        sides = [printable(side[name]) or "(empty)" if name in side else None for side in (was_set, is_set)]
        if sides[0] != sides[1]:
            was, is_ = (shown(name, value) if value else "unset" for value in sides)
            yield f"{name} {was} -> {is_}"
    if old.arguments != new.arguments:
        was, is_ = (without_passwords(printable(" ".join(side.arguments))) or "(none)" for side in (old, new))
        yield f"arguments {was} -> {is_}"


def _service_text(text: str | None, key: str) -> str | None:
    """Return the text of a service without its name and type, which the change's name contains already."""
    return text.split(" ", 2)[2] if text and key.count("/") else text


def _shortened(texts: Sequence[str], room: int, *, is_compared: bool) -> list[str]:
    """Return the texts in *room* columns; what both have at first is left out if they differ only behind it."""
    start = _common(texts) if is_compared and max(map(len, texts)) > room else 0
    skipped = texts[0].rfind(" ", 0, start - room // 4) + 1 if start > room // 2 else 0
    rest = [f"{_CUT} {text[skipped:]}" if skipped else text for text in texts]
    return [text if len(text) <= room else text[: room - len(_CUT)].rstrip(SPACE) + _CUT for text in rest]


def _common(texts: Sequence[str]) -> int:
    """Return the number of characters that all texts have in common at their start."""
    return next((at for at, chars in enumerate(zip(*texts, strict=False)) if len(set(chars)) > 1), min(map(len, texts)))
