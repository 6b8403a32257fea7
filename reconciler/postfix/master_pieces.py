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


_forms: PastOfEach[int, str] = PastOfEach(by_value=True)
"""By the hashes of services' texts: their forms, of which those that are alike have the very same."""


def pieces(main: str, master: str) -> list[Piece]:
    """Return the pieces of a master.cf beside a main.cf; one, the file itself, if it is not large."""
    entries = _entries(master)
    if len(entries) <= WHOLE:
        return [Piece([_Entry("", 1, master.removesuffix("\n"))])]
    names = Counter(entry.name for entry in entries)
    bare = _forms_of(entries)
    named = _named(set(names), main, "\n".join(set(bare)))  # a form has all names of parameters that its services have
    # One that a parameter names is like no other.
    own = [entry.name + form if entry.name in named else form for entry, form in zip(entries, bare, strict=True)]
    # An entry may replace another of its name, which is in its piece.
    forms = [form if names[entry.name] == 1 else entry.name for entry, form in zip(entries, own, strict=True)]
    usual = {form for form, count in Counter(forms).items() if count > _SIZE and form not in names}
    # Services of usual forms are apart, so that many pieces have one form.
    first, count = (_pieces_for(sum((form in usual) == is_usual for form in forms)) for is_usual in (False, True))
    found: list[list[tuple[_Entry, str]]] = [[] for _ in range(first + count)]
    numbers = [zlib.crc32(entry.name.encode("utf-8", "surrogateescape")) for entry in entries]
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


def _entries(master: str) -> list[_Entry]:
    """Return the services of a file in their order."""
    texts = _NEXT.split(master.removesuffix("\n"))
    before = texts.pop(0) if len(texts) > 1 and texts[0][:1] in ("", "#", " ", "\t", "\r", "\n") else None
    names = [found[0] if (found := _WORD.search(text)) else "" for text in texts]
    if before is not None:
        texts[0] = f"{before}\n{texts[0]}"
    lines = accumulate((text.count("\n") + 1 for text in texts), initial=1)
    return list(map(_Entry, names, lines, texts))


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


def _forms_of(entries: list[_Entry]) -> Sequence[str]:
    """Return the form of each service; those that no commit changed since have it from memory."""
    hashes = [hash(entry.text) for entry in entries]
    by_hash = {one: entry.text for one, entry in zip(hashes, entries, strict=True)}
    return _forms.of(hashes, (), lambda one: sys.intern(_form(by_hash[one])))


def _form(text: str) -> str:
    """Return a service as all those are that differ in their names, tags and addresses alone."""
    shown = "".join(_PLAIN.split(text))  # the parts between the values, and the names before them
    name = _WORD.match(shown)
    return shown if name is None or "=" in name[0] or name[0].startswith("#") else shown[name.end() :]
