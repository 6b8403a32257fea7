"""master.cf in pieces: postconf(1) takes time that grows with the square of the services that have options.

Promises: each service is whole in exactly one piece, so that together the pieces have all of the file. A service whose
name a parameter contains, as in ``NAME_destination_rate_delay``, is also in all others, without its options. To add or
to remove a service changes one piece, until there are twice or half as many. Raises nothing.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import SPACE, split_lines, split_words
from reconciler.postfix.vocabulary import PER_SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WHOLE = 200
"""The services of a file that is not cut."""
_SIZE = 100
_FIELDS = 8  # of a service, up to its command
_PLAIN = re.compile(
    r"(?<=-o )((?:smtp_helo_name|lmtp_lhlo_name|(?:smtp|lmtp)_bind_address6?|syslog_name)=)[A-Za-z0-9./:_-]+(?=\s|\Z)",
    re.ASCII,
)
_EQUALS, _BREAKS = re.compile(f"[{SPACE}]*="), frozenset(f"{SPACE}=")
_SUFFIXES = tuple(f"_{suffix}" for suffix in (*PER_SERVICE, "time_limit"))


class Piece(NamedTuple):
    """Some services of a master.cf; *starts* has the line in *text* and in the whole file of each.

    Two pieces have one *form* if they differ in names, tags, and addresses of services alone, of which postconf(1) says
    nothing.
    """

    text: str
    starts: tuple[tuple[int, int], ...]
    form: str = ""

    def line(self, number: int) -> int:
        """Return the line of the whole file for a line of the text."""
        place = bisect_right(self.starts, number, key=lambda start: start[0]) - 1
        return self.starts[place][1] + number - self.starts[place][0] if place >= 0 else 1


class _Entry(NamedTuple):
    name: str
    line: int
    lines: list[str]


def pieces(main: str, master: str) -> list[Piece]:
    """Return the pieces of a master.cf beside a main.cf; one, the file itself, if it is not large."""
    entries = _entries(master)
    if len(entries) <= WHOLE:
        return [Piece(master, ((1, 1),))]
    names = Counter(entry.name for entry in entries)
    named = _named(set(names), main, master)
    # An entry may replace another of its name, which is in its piece.
    own = [_form(entry, named) for entry in entries]
    forms = [form if names[entry.name] == 1 else entry.name for entry, form in zip(entries, own, strict=True)]
    usual = {form for form, count in Counter(forms).items() if count > _SIZE and form not in names}
    # Services of usual forms are apart, so that many pieces have one form.
    first, count = (_pieces_for(sum((form in usual) == is_usual for form in forms)) for is_usual in (False, True))
    found: list[list[tuple[_Entry, str]]] = [[] for _ in range(first + count)]
    for entry, form, own_form in zip(entries, forms, own, strict=True):
        number = zlib.crc32(entry.name.encode("utf-8", "surrogateescape"))
        own_place = first + number % count if form in usual else number % first
        found[own_place].append((entry, own_form))
        if entry.name in named:
            bare = _bare(entry)
            for place in {*range(first + count)} - {own_place}:
                found[place].append((bare, _form(bare, named)))
    return [_joined(part) for part in found if part]


def _pieces_for(services: int) -> int:
    return 1 << (services // _SIZE).bit_length()


def _entries(master: str) -> list[_Entry]:
    """Return the services with all lines up to the next one; what comes before the first belongs to it."""
    entries: list[_Entry] = []
    before: list[str] = []
    for number, line in enumerate(split_lines(master), 1):
        if line[:1] in ("", "#", " ", "\t", "\r"):
            (entries[-1].lines if entries else before).append(line)
        else:
            lines = [*before, line] if not entries else [line]
            entries.append(_Entry(split_words(line)[0], number - len(lines) + 1, lines))
    return entries


def _named(services: set[str], main: str, master: str) -> set[str]:
    """Return the services whose names begin the names of parameters."""
    return {name for text in (main, master) for suffix in _SUFFIXES for name in _before(text, suffix)} & services


def _before(text: str, suffix: str) -> Iterator[str]:
    """Yield how the names begin that a value is given to and that end so; few of many settings have such a name."""
    place = text.find(suffix)
    while place >= 0:
        start, place = place, place + len(suffix)
        if _EQUALS.match(text, place):
            end = start
            while start and text[start - 1] not in _BREAKS:
                start -= 1
            yield text[start:end].lstrip("{")
        place = text.find(suffix, place)


def _bare(entry: _Entry) -> _Entry:
    """Return a service without its options; one that is not written on one line up to its command stays as it is."""
    line = next(line for line in entry.lines if line.startswith(entry.name))
    fields = split_words(line)[:_FIELDS]
    return entry._replace(lines=[" ".join(fields)]) if len(fields) == _FIELDS else entry


def _joined(part: Iterable[tuple[_Entry, str]]) -> Piece:
    entries, forms = zip(*part, strict=True)
    starts, number = list[tuple[int, int]](), 1
    for entry in entries:
        starts.append((number, entry.line))
        number += len(entry.lines)
    text = "\n".join(line for entry in entries for line in entry.lines) + "\n"
    is_plain = len({entry.name for entry in entries}) == len(entries)  # else an entry may replace another
    return Piece(text, tuple(starts), "\n".join(sorted(set(forms))) if is_plain else text)


def _form(entry: _Entry, named: set[str]) -> str:
    """Return a service as all those are that differ in their names, tags and addresses alone."""
    text = "".join(_PLAIN.split("\n".join(entry.lines)))  # the parts between the values, and the names before them
    return text if entry.name in named or not text.startswith(entry.name) else text[len(entry.name) :]
