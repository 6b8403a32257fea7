"""A large table in parts, so that what was found in a part is kept while the part stays as it is.

Promises: the parts are whole lines, and together they are the table. The next version of a table is cut where the one
before it was, so that only the parts that changed are new. How a table is cut does not matter to what looks at each
entry by itself. Memory is bounded: the parts of the last versions of a few tables, without their bytes. Raises nothing.

Known limit: a table with continuation lines, quotes or blocks is one part.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from reconciler.model import limits
from reconciler.model.past import Past, condensed
from reconciler.postfix.tables import PATTERN_TYPES, count_entries, is_plain

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator

    from reconciler.model import Finding, Table

T = TypeVar("T")
SMALLEST = 1 << 14
"""A table of fewer bytes is one part."""
_SIZE, _PARTS = 1 << 16, 64
"""A part has at most about so many bytes, and a table of few bytes has fewer parts than that."""
_BEGINNING = 64
_AHEAD = 8  # parts that are looked for after one that changed
_NEAR = 16 * _SIZE
_MARK = b"\xef\xbb\xbf"


class _Cut(NamedTuple):
    """A part of a version of a table, as it is remembered; *beginning* are its first bytes.

    It is *plain* if each of its lines is an entry, or none, whatever the others are.
    """

    length: int
    lines: int
    digest: bytes
    beginning: bytes
    plain: bool


class _Version(NamedTuple):
    """A version of a table, as it was cut."""

    digest: str
    cuts: list[_Cut]


class Part(NamedTuple):
    """A part of a table: so many bytes from a *place* on, which is in the line *first*."""

    table: Table
    place: int
    length: int
    first: int
    digest: bytes

    @property
    def source(self) -> bytes:
        """Return its bytes."""
        return self.table.source[self.place : self.place + self.length]


_cuts = Past[_Version](32)
_kept = Past[dict[bytes, Any]](128)
_beginnings = Past[bytes](32)


def is_large(table: Table) -> bool:
    """Return whether what is found in a table is kept by its parts."""
    return table.size >= SMALLEST


def parts_of(table: Table) -> Iterator[Part]:
    """Yield the parts of a table; one, if it is small or its lines depend on one another."""
    if not is_large(table) or table.compiler == "postalias" or table.type in {*PATTERN_TYPES, "cidr"}:
        yield _only(table)
        return
    version = _cuts.take(table.name, _Version("", []))
    if version.digest != table.digest:
        version = _Version(table.digest, _as_before(table.source, version.cuts))
    _cuts.keep(table.name, version)
    if not all(cut.plain and cut.length <= limits.LINE for cut in version.cuts):
        yield _only(table)
        return
    place, line = 0, 1
    for cut in version.cuts:
        yield Part(table, place, cut.length, line, cut.digest)
        place, line = place + cut.length, line + cut.lines


def _only(table: Table) -> Part:
    return Part(table, 0, table.size, 1, bytes.fromhex(table.digest))


def each(table: Table, find: Callable[..., T], *by: Hashable) -> Iterator[tuple[Part, T]]:
    """Yield each part with what *find* makes of it as a table of its own; it may depend on the entries and *by* alone.

    What it makes of a large table is kept, and must not be changed.
    """
    if not is_large(table):
        yield _only(table), find(replace(table, pieces=()), *by)
        return
    question = (find, table.name, table.type, table.file, table.compiler, condensed(by))
    before, now = _kept.take(question, {}), dict[bytes, Any]()
    _kept.keep(question, now)
    for part in parts_of(table):
        if part.digest in before:
            now[part.digest] = before[part.digest]
        elif part.digest not in now:
            now[part.digest] = find(replace(table, source=part.source, pieces=()), *by)
        yield part, now[part.digest]


def findings_in(table: Table, rule: Callable[..., Iterable[Finding]], *by: Hashable) -> Iterator[Finding]:
    """Yield the findings of a rule that judges each entry of a table by itself."""
    for part, findings in each(table, _listed, rule, *by):
        yield from (moved(finding, table, part) for finding in findings)


def moved(finding: Finding, table: Table, part: Part) -> Finding:
    """Return a finding in a part of a table with its place in the table."""
    return replace(finding, where=table.at(part.first - 1 + finding.where.line))


def beginning(table: Table, size: int) -> Table:
    """Return a table of the first whole lines, of so many bytes together; it has the first one in any case."""
    if table.size <= size:
        return table
    text = _beginnings.used((table.digest, size))
    if text is None:
        text = table.source[:size].rpartition(b"\n")[0] or table.source.partition(b"\n")[0]
        _beginnings.keep((table.digest, size), text)
    return replace(table, source=text)


def search(table: Table, pattern: re.Pattern[bytes]) -> bool:
    """Return whether a pattern, which never goes on to a second line, is found in a table."""
    return any(found for _, found in each(table, _is_found, pattern))


def _is_found(table: Table, pattern: re.Pattern[bytes]) -> bool:
    return bool(pattern.search(table.source))


def holds(table: Table, text: bytes) -> bool:
    """Return whether a text, which is part of a line, is in a table."""
    return any(found for _, found in each(table, _holds, text))


def _holds(table: Table, text: bytes) -> bool:
    return text in table.source


def mentions(table: Table, words: Collection[bytes]) -> bool:
    """Return whether one of some texts, in lower case, is part of a line of a table, in whatever case."""
    return any(found for _, found in each(table, _mentions, frozenset(words)))


def _mentions(table: Table, words: Collection[bytes]) -> bool:
    source = table.source.lower()
    return any(word in source for word in words)


def begins_a_line(table: Table, text: bytes) -> bool:
    """Return whether a line of a table begins with a text."""
    return any(found for _, found in each(table, _is_at_a_line, text))


def _is_at_a_line(table: Table, text: bytes) -> bool:
    return table.source.startswith(text) or b"\n" + text in table.source


def texts(table: Table, pattern: re.Pattern[str], among: frozenset[str]) -> set[str]:
    """Return those of some texts that a pattern finds in a table: its only group, or all that it matches.

    A pattern must not go on to a second line.
    """
    return set[str]().union(*(found for _, found in each(table, _texts, pattern, among)))


def _texts(table: Table, pattern: re.Pattern[str], among: frozenset[str]) -> frozenset[str]:
    found = pattern.finditer(table.source.decode("utf-8", "surrogateescape"))
    return among.intersection(match[pattern.groups] for match in found)


def entry_count(table: Table) -> int:
    """Return the number of entries of a table, as count_entries() does."""
    return sum(count for _, count in each(table, _count))


def _count(table: Table) -> int:
    return count_entries(table.source)


def is_plain_throughout(table: Table) -> bool:
    """Return whether a table has neither continuation lines nor quotes, as is_plain() does."""
    several = len(list(parts_of(table))) > 1  # a table that is not plain is one part
    return several or is_plain(table.source)


def longest_line(table: Table) -> int:
    """Return the bytes of the longest line of a table."""
    return max(length for _, length in each(table, _longest))


def _longest(table: Table) -> int:
    return max(map(len, table.source.split(b"\n")))


def _listed(table: Table, rule: Callable[..., Iterable[Finding]], *by: Hashable) -> tuple[Finding, ...]:
    return tuple(islice(rule(table, *by), limits.FINDINGS + 1))  # one more says that it is too many


# ---- where it is cut -------------------------------------------------------------------------------------------------


def _as_before(source: bytes, before: list[_Cut]) -> list[_Cut]:
    """Cut a text where its last version was cut, as far as that is still in it."""
    cuts: list[_Cut] = []
    place = known = 0
    while place < len(source):
        if known < len(before) and _is_at(source, place, before[known]):
            cuts.append(before[known])
            place, known = place + before[known].length, known + 1
            continue
        end, known = _next(source, place, before, known)
        cuts += _new(source, place, end)
        place = end
    return cuts


def _is_at(source: bytes, place: int, cut: _Cut) -> bool:
    """Return whether a part of the last version is at a place, as whole lines."""
    end = place + cut.length
    if not source.startswith(cut.beginning, place) or end > len(source):
        return False
    whole_lines = end == len(source) or source[end - 1 : end] == b"\n"
    return whole_lines and hashlib.sha256(memoryview(source)[place:end]).digest() == cut.digest


def _next(source: bytes, place: int, before: list[_Cut], known: int) -> tuple[int, int]:
    """Return where one of the next parts of the last version begins, and which; else the end of the text."""
    for number in range(known, min(known + _AHEAD, len(before))):
        start = source.find(b"\n" + before[number].beginning, place, place + _NEAR) + 1
        if start and _is_at(source, start, before[number]):
            return start, number
    return len(source), len(before)


def _new(source: bytes, place: int, end: int) -> Iterator[_Cut]:
    """Yield new parts from one place to another, of about one size."""
    usual = max(min(len(source) // _PARTS, _SIZE), SMALLEST // 2)
    size = (end - place) // max((end - place) // usual, 1)
    while place < end:
        stop = source.find(b"\n", min(place + size, end) - 1, end) + 1 or end
        text = source[place:stop]
        plain = _MARK not in text and is_plain(text)
        yield _Cut(len(text), text.count(b"\n"), hashlib.sha256(text).digest(), text[:_BEGINNING], plain)
        place = stop
