"""master.cf in pieces: postconf(1) takes time that grows with the square of the services that have options.

Promises: each service is whole in exactly one piece, so that together the pieces have all of the file. A service whose
name a parameter contains, as in ``NAME_destination_rate_delay``, is also in all others, without its options. To add or
to remove a service changes one piece, until there are twice or half as many. Raises nothing.
"""

from __future__ import annotations

import re
import sys
import zlib
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import SPACE, split_words
from reconciler.model.past import PastOfEach
from reconciler.postfix.vocabulary import PER_SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


_NEXT = re.compile(r"\n(?![# \t\r\n]|\Z)")
"""Where a service ends: the next line is not empty, no comment, and continues nothing."""
_WORD = re.compile(f"[^{SPACE}]+")


class _Entry(NamedTuple):
    """A service of the file, with all lines up to the next one; the first also has what comes before it."""

    name: str
    line: int
    text: str


@dataclass(frozen=True)
class Piece:
    """Some services of a master.cf.

    Two pieces have one *form* if they differ in names, tags, and addresses of services alone, of which postconf(1) says
    nothing.
    """

    entries: Sequence[_Entry]
    form: str = ""

    @cached_property
    def text(self) -> str:
        """The piece as a file."""
        return "\n".join(entry.text for entry in self.entries) + "\n"

    @cached_property
    def _starts(self) -> list[int]:
        """The line of the text at which each service begins."""
        return list(accumulate((entry.text.count("\n") + 1 for entry in self.entries), initial=1))

    def line(self, number: int) -> int:
        """Return the line of the whole file for a line of the text."""
        place = min(bisect_right(self._starts, number), len(self.entries)) - 1
        return self.entries[place].line + number - self._starts[place] if place >= 0 else 1


class _Shape(NamedTuple):
    """What is known of a service's text: its name, its lines, where it belongs, and its form.

    Services that are alike have the very same form.
    """

    name: str
    lines: int
    number: int
    form: str


_shapes: PastOfEach[int, _Shape] = PastOfEach(by_value=True)
"""By the hashes of services' texts."""


def pieces(main: str, master: str) -> list[Piece]:
    """Return the pieces of a master.cf beside a main.cf; one, the file itself, if it is not large."""
    texts, before = _cut(master)
    if len(texts) <= WHOLE:
        return [Piece([_Entry("", 1, master.removesuffix("\n"))])]
    names, lengths, numbers, bare = zip(*_shapes_of(texts, before), strict=True)
    entries = list(map(_Entry, names, accumulate(lengths, initial=1), [before + texts[0], *texts[1:]]))
    times = Counter(names)
    named = _named(set(names), main, "\n".join(set(bare)))  # a form has all names of parameters that its services have
    # One that a parameter names is like no other.
    own = [name + form if name in named else form for name, form in zip(names, bare, strict=True)]
    # An entry may replace another of its name, which is in its piece.
    forms = [form if times[name] == 1 else name for name, form in zip(names, own, strict=True)]
    usual = {form for form, count in Counter(forms).items() if count > _SIZE and form not in times}
    # Services of usual forms are apart, so that many pieces have one form.
    first, count = (_pieces_for(sum((form in usual) == is_usual for form in forms)) for is_usual in (False, True))
    found: list[list[tuple[_Entry, str]]] = [[] for _ in range(first + count)]
    for entry, form, own_form, number in zip(entries, forms, own, numbers, strict=True):
        own_place = first + number % count if form in usual else number % first
        found[own_place].append((entry, own_form))
        if entry.name in named:
            short = _without_options(entry)
            for place in {*range(first + count)} - {own_place}:
                found[place].append((short, short.name + _form(short.text)))
    return [_piece(part) for part in found if part]


def _pieces_for(services: int) -> int:
    return 1 << (services // _SIZE).bit_length()


def _cut(master: str) -> tuple[list[str], str]:
    """Return the texts of the services of a file in their order, and what comes before the first one."""
    texts = _NEXT.split(master.removesuffix("\n"))
    is_before = len(texts) > 1 and texts[0][:1] in ("", "#", " ", "\t", "\r", "\n")
    return (texts[1:], f"{texts[0]}\n") if is_before else (texts, "")


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


def _without_options(entry: _Entry) -> _Entry:
    """Return a service without its options; one that is not written on one line up to its command stays as it is."""
    line = next((line for line in entry.text.split("\n") if line.startswith(entry.name)), "")
    fields = split_words(line)[:_FIELDS]
    return entry._replace(text=" ".join(fields)) if len(fields) == _FIELDS else entry


def _piece(part: list[tuple[_Entry, str]]) -> Piece:
    entries, forms = zip(*part, strict=True)
    is_plain = len({entry.name for entry in entries}) == len(entries)  # else an entry may replace another
    return Piece(entries, "\n".join(sorted(set(forms)) if is_plain else [entry.text for entry in entries]))


def _shapes_of(texts: list[str], before: str) -> Sequence[_Shape]:
    """Return the shape of each service; those that no commit changed since have it from memory.

    What comes *before* the first one is part of its shape.
    """
    hashes = list(map(hash, texts))
    by_hash = dict(zip(hashes, texts, strict=True))
    first, *others = _shapes.of(hashes, (), lambda one: _shape(by_hash[one]))
    return [first._replace(lines=first.lines + before.count("\n"), form=before + first.form), *others]


def _shape(text: str) -> _Shape:
    name = sys.intern(found[0]) if (found := _WORD.search(text)) else ""
    number = zlib.crc32(name.encode("utf-8", "surrogateescape"))
    return _Shape(name, text.count("\n") + 1, number, sys.intern(_form(text)))


def _form(text: str) -> str:
    """Return a service as all those are that differ in their names, tags and addresses alone."""
    shown = "".join(_PLAIN.split(text))  # the parts between the values, and the names before them
    name = _WORD.match(shown)
    return shown if name is None or "=" in name[0] or name[0].startswith("#") else shown[name.end() :]
