"""What differs between two versions of a table, found on their bytes: only lines that differ become objects.

Promises: gaps() aligns two texts at whole lines, in time that grows with their size and with what differs, and not with
their product; outside of the gaps they are equal. A line that only moved is no change. Raises nothing.

Known limits: an alignment is not the shortest one: a block that moved, and lines near a large removal, are in a gap.
After MOST gaps, the rest of both texts is one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 10_000
_BLOCK = 1 << 16
_ANCHOR = 64  # bytes by which the place of a line in the other text is found, at least
_NEAR = 1 << 12
_BLANKS = (b" ", b"\t")


class Gap(NamedTuple):
    """A part of the old text, from *old* to *old_end*, that a part of the new text replaces; both are whole lines."""

    old: int
    old_end: int
    new: int
    new_end: int


class ChangedLines(NamedTuple):
    """The lines that only the old text has, and those that only the new one has, each as often as that is so."""

    removed: list[bytes]
    added: list[bytes]


class Differing(NamedTuple):
    """The parts of two texts that differ, joined; *places* has the line in *new* and in the whole of each part."""

    old: bytes
    new: bytes
    places: tuple[tuple[int, int], ...]

    def line(self, number: int) -> int:
        """Return the line of the whole new text for a line of *new*."""
        first, whole = self.places[bisect_right(self.places, number, key=itemgetter(0)) - 1]
        return whole + number - first


def gaps(old: bytes, new: bytes) -> Iterator[Gap]:
    """Yield the parts that differ, in their order."""
    here, there, count = 0, 0, 0
    while True:
        same = _same(old, here, new, there)
        if here + same == len(old) and there + same == len(new):
            return
        line = old.rfind(b"\n", here, here + same) + 1 or here
        here, there, count = line, there + line - here, count + 1
        end, new_end = _rejoined(old, here, new, there) if count < MOST else (len(old), len(new))
        yield Gap(here, end, there, new_end)
        here, there = end, new_end


def changed(old: bytes, new: bytes, most: int) -> ChangedLines | None:
    """Return the lines that differ; None if the parts of a text that differ have more than *most* bytes."""
    removed, added, size = Counter[bytes](), Counter[bytes](), 0
    for gap in gaps(old, new):
        size += max(gap.old_end - gap.old, gap.new_end - gap.new)
        if size > most:
            return None
        removed.update(old[gap.old : gap.old_end].split(b"\n"))
        added.update(new[gap.new : gap.new_end].split(b"\n"))
    return ChangedLines(list((removed - added).elements()), list((added - removed).elements()))


def differing(old: bytes, new: bytes, *, together: bool = False) -> Differing:
    """Return the parts that differ as texts.

    Where lines are continued, and with *together*, it is one part: all from the first difference to the last.
    """
    found = list(gaps(old, new))
    if found and (together or _is_continued(old) or _is_continued(new)):
        found = [_whole_entries(old, new, found)]
    places, number, line, counted = list[tuple[int, int]](), 1, 1, 0
    for gap in found:
        line, counted = line + new.count(b"\n", counted, gap.new), gap.new
        places.append((number, line))
        number += new.count(b"\n", gap.new, gap.new_end)
    parts = (old[gap.old : gap.old_end] for gap in found), (new[gap.new : gap.new_end] for gap in found)
    return Differing(b"".join(parts[0]), b"".join(parts[1]), tuple(places))


def _is_continued(text: bytes) -> bool:
    """Return whether a line may continue the one before."""
    return b"\n " in text or b"\n\t" in text


def _whole_entries(old: bytes, new: bytes, found: list[Gap]) -> Gap:
    """Return one gap from the first to the last, with the entries whole that it begins and ends in."""
    (start, _, there, _), (_, end, _, new_end) = found[0], found[-1]
    shift, new_shift = there - start, new_end - end
    while start and (old.startswith(_BLANKS, start) or new.startswith(_BLANKS, start + shift)):
        start = old.rfind(b"\n", 0, start - 1) + 1
    while old.startswith(_BLANKS, end):
        end = old.find(b"\n", end) + 1 or len(old)
    return Gap(start, end, start + shift, end + new_shift)


# ---- where texts agree ----------------------------------------------------------------------------------------------


def _same(old: bytes, here: int, new: bytes, there: int) -> int:
    """Return how many bytes agree from both places on; compare blocks, and halves of the first that differs."""
    limit, same, size = min(len(old) - here, len(new) - there), 0, _ANCHOR
    while same < limit:
        one, other = (text[at + same : at + same + min(size, limit - same)] for text, at in ((old, here), (new, there)))
        if one != other:
            return same + _same_in(one, other)
        same, size = same + len(one), min(size * 2, _BLOCK)
    return same


def _same_in(one: bytes, other: bytes) -> int:
    """Return how many bytes agree at the start of two texts of one length, which differ."""
    low, high = 0, len(one)  # the first *low* bytes agree, the first *high* do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle)
    return low


def _rejoined(old: bytes, here: int, new: bytes, there: int) -> tuple[int, int]:
    """Return where both texts go on alike: at the next line of the old one, or one after it, that the new one has."""
    place, step = here, 1
    while lines := _lines_at(old, place):
        found = _line(new, lines, there, there + _NEAR + 4 * (place - here) + len(lines))
        if found >= 0:
            return place, found
        place = old.find(b"\n", place + step - 1) + 1 or len(old)
        step *= 2
    return len(old), len(new)


def _lines_at(text: bytes, place: int) -> bytes:
    """Return the next whole lines, _ANCHOR bytes or more if there are so many; the last line has a line end too."""
    end = text.find(b"\n", place + _ANCHOR - 1) + 1 or text.rfind(b"\n", place) + 1
    return text[place:end]


def _line(text: bytes, lines: bytes, start: int, end: int) -> int:
    """Return the place of these lines in a part of a text that begins with a line; -1 if they are not there."""
    if text.startswith(lines, start):
        return start
    return text.find(b"\n" + lines, start, end) + 1 or -1
