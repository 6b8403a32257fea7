"""One reader for the syntaxes of all tables.

Readers never raise on bad text: they return the entries that they can parse, and a Finding for each other line, up to a
number. Only the bytes of a table are kept, because a list of 100,000 entries takes 25 MiB; each use parses them again.

Known limits: ``if``/``endif`` blocks of cidr, pcre and regexp tables are not nested in the result; entries inside them
are read like any other entry. Rules: postmap(1), aliases(5), cidr_table(5), pcre_table(5).
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Finding, Table, error_at, limits
from reconciler.model.ascii_text import SPACE, split_words
from reconciler.postfix.row_habits import likely_row
from reconciler.postfix.syntax import logical_lines, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.model import File

PATTERN_TYPES = frozenset({"pcre", "regexp"})
ORDERED_TYPES = PATTERN_TYPES | {"cidr"}
"""The types in which the first row that matches decides."""
TEXT_TYPES = ("pcre", "regexp", "cidr", "texthash")
"""The types that Postfix reads as text: nothing compiles them."""
_BLOCK = 1 << 16
_MARK = b"\xef\xbb\xbf"
_IF = re.compile(rb"^if\b", re.IGNORECASE | re.MULTILINE)
_IPV6 = re.compile(r"[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,7}::?\Z")  # a prefix that access(5) looks up
_QUOTED_KEY = re.compile(r'((?:"(?:\\.|[^"\\])*"|[^\s"])+)\s+(\S.*)', re.ASCII)


class Entry(NamedTuple):
    """One entry of a Postfix table: its key, its value and its first line (a tuple, because there are many)."""

    key: str
    value: str
    line: int


def table_of(path: str, file: File) -> Table:
    """Return the compiled table whose source is a file of a tree."""
    compiler, _, kind = file.compiled.partition(" ")
    return Table(name=path, type=kind, source=file.read(), file=path, compiler=compiler, mode=file.mode)


class Entries:
    """The entries of a table; each iteration reads them again."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries in their order, duplicates included."""
        return walk(self._table, [], most=0)


def read_table(table: Table) -> tuple[list[Entry], list[Finding]]:
    """Read the entries of a table in their order, duplicates included."""
    findings: list[Finding] = []
    return list(walk(table, findings)), findings


def walk(table: Table, findings: list[Finding], most: int = limits.FINDINGS + 1) -> Iterator[Entry]:
    """Yield the entries in their order; after the last one, *findings* holds those for the bad lines, up to *most*."""
    findings += _marked(table)
    aliases, patterns, cidr = table.compiler == "postalias", table.type in PATTERN_TYPES, table.type == "cidr"
    if not aliases and not patterns and is_plain(table.source) and not (cidr and has_blocks(table)):
        return _read_plain(table, findings, most)
    parse = _alias if aliases else _pattern if patterns else _network if cidr else _pair
    return _read_logical(table, parse, findings, most)


def has_blocks(table: Table) -> bool:
    """Return whether there are ``if`` blocks, which exclude some lookups from the entries inside."""
    return bool(_IF.search(table.source))


def _marked(table: Table) -> Iterator[Finding]:
    """Yield a finding for a byte order mark: it is part of the first key, which then matches nothing."""
    if table.source.startswith(_MARK):
        what = (
            f"table {table.name}: starts with a byte order mark, which would be part of the first key; save it as plain"
        )
        yield error_at("malformed-entry", table.where, f"{what} UTF-8", "byte order mark")


def is_plain(source: bytes) -> bool:
    """Return whether there are neither continuation lines nor quotes."""
    # Plain searches take a third of the time of the pattern, which then decides for few tables.
    suspect = any(mark in source for mark in (b"\n ", b"\n\t", b'"')) or source[:1] in (b" ", b"\t")
    return not suspect or not re.search(rb'^(?:[ \t]+[^ \t#]|[^\s#"]*")', source, re.MULTILINE)


def _blocks(source: bytes, start: int = 0) -> Iterator[bytes]:
    """Yield a large text in blocks that end at a line end."""
    while start < len(source):
        end = source.find(b"\n", start + _BLOCK) + 1 or len(source)
        yield source[start:end]
        start = end


def _read_plain(table: Table, findings: list[Finding], most: int) -> Iterator[Entry]:
    """Read the common case, line by line. A million lines take about a second, and constant memory."""
    first = 1
    for block in _blocks(table.source):
        lines = block.decode("utf-8", "surrogateescape").split("\n")
        split = [(split_words(line, 1), number) for number, line in enumerate(lines, first)]
        entries = [
            Entry._make((words[0], words[1].rstrip(SPACE), number))
            for words, number in split
            if len(words) == 2 and words[0][0] != "#"  # noqa: PLR2004 - a key and a value
        ]
        bad = (_bad_entry(table, at, words[0]) for words, at in split if len(words) == 1 and words[0][0] != "#")
        if len(block) > limits.LINE:  # a block is only that long if one of its lines is
            findings += [_too_long(table, at) for at, line in enumerate(lines, first) if len(line) > limits.LINE]
            entries = [entry for entry in entries if len(lines[entry.line - first]) <= limits.LINE]
        like = (_alias_like(table, entry) for entry in entries if entry.key[-1] == ":" and not _IPV6.match(entry.key))
        findings += islice(chain(bad, like if table.type != "cidr" else ()), max(most - len(findings), 0))
        first += len(lines) - 1
        yield from entries


def _alias_like(table: Table, entry: Entry) -> Finding:
    what = f'table {table.name}: "{entry.key}" ends in a colon, as in an aliases file; here it would be part of the key'
    return error_at("malformed-entry", table.at(entry.line), what, entry.key)


def _read_logical(
    table: Table, parse: Callable[[str], tuple[str, str] | None], findings: list[Finding], most: int
) -> Iterator[Entry]:
    for logical in logical_lines(table.source.decode("utf-8", "surrogateescape")):
        if sum(len(text) for _, text in logical.parts) > limits.LINE:
            findings += [_too_long(table, logical.line)][: most - len(findings)]
            continue
        pair = parse(logical.text)
        if pair is None or logical.parts[0][1][0] in " \t":
            if len(findings) < most:
                findings.append(_bad_entry(table, logical.line, logical.text))
        elif pair[0]:
            yield Entry(pair[0], pair[1], logical.line)


def in_order(table: Table) -> list[Entry]:
    """Return the entries of a table in their order, with its ``if`` and ``endif`` lines as entries without a value."""
    parse = _pattern if table.type in PATTERN_TYPES else _network if table.type == "cidr" else _pair
    entries = []
    for logical in logical_lines(table.source.decode("utf-8", "surrogateescape")):
        key, value = parse(logical.text) or ("", "")
        entries.append(Entry(key or one_line(logical.text), value, logical.line))
    return entries


def _too_long(table: Table, line: int) -> Finding:
    what = f"table {table.name}: an entry may have at most {limits.LINE} characters; split it"
    return error_at("malformed-entry", table.at(line), what, f"line {line}")


def _bad_entry(table: Table, line: int, text: str) -> Finding:
    what = f'table {table.name}: expected a key and a value, got "{text}"{likely_row(table, text)}'
    return error_at("malformed-entry", table.at(line), what, text)


def _pair(text: str) -> tuple[str, str] | None:
    """Split at the first blank outside quotes; the quotes are part of the key (postmap(1))."""
    match = _QUOTED_KEY.match(text)
    return (match[1], match[2]) if match else None


def _network(text: str) -> tuple[str, str] | None:
    """Split a network from its result; ``if NETWORK`` and ``endif`` lines have an empty key (cidr_table(5))."""
    if re.fullmatch(r"endif|if\s*(?:!+\s*)?[^!\s]\S*", text, re.IGNORECASE | re.ASCII):
        return "", ""
    match = re.match(r"([!\s]*[^!\s]\S*)\s+(\S.*)", text, re.ASCII)
    return (match[1], match[2]) if match else None


def _alias(text: str) -> tuple[str, str] | None:
    match = re.match(r'(?:"((?:[^"\\]|\\.)+)"|([^":#\s](?:[^:]*[^:\s])?))\s*:\s*(\S.*)', text, re.ASCII)
    return (match[1] or match[2], match[3].rstrip(SPACE)) if match else None


def _pattern(text: str) -> tuple[str, str] | None:
    """Split a pattern from its action; ``if`` and ``endif`` lines have an empty key."""
    if re.match(r"endif\b", text, re.IGNORECASE | re.ASCII) or re.match(r"if\s", text, re.IGNORECASE | re.ASCII):
        return "", ""
    match = re.match(r"(!?([^\w\s])(?:\\.|(?!\2)[^\\])*\2[A-Za-z]*)\s+(\S.*)", text, re.ASCII)
    return (match[1], match[3]) if match else None


def entry_lines(source: bytes, start: int = 0) -> Iterator[bytes]:
    """Yield the first line of each entry quickly: no blank lines, comments and continuation lines."""
    return chain.from_iterable(_first_lines(block) for block in _blocks(source, start))


def count_entries(source: bytes) -> int:
    """Return the number of entries of a table."""
    return sum(len(_first_lines(block)) for block in _blocks(source))


def _first_lines(block: bytes) -> list[bytes]:
    return [line for line in block.split(b"\n") if line and line[0] not in b"# \t\r"]


def sample(table: Table) -> list[Entry]:
    """Return the first, a middle and the last entry without reading the others."""
    source = table.source
    if not is_plain(source):
        entries = read_table(table)[0]
        return [entries[place] for place in (0, len(entries) // 2, -1)] if entries else []
    ends = (source.rfind(b"\n", 0, max(0, len(source) - size)) + 1 for size in (_BLOCK, len(source)))
    last = next((lines[-1:] for start in ends if (lines := list(entry_lines(source, start)))), [])
    middle = islice(entry_lines(source, source.find(b"\n", len(source) // 2) + 1), 1)
    few = dict.fromkeys([*islice(entry_lines(source), 1), *middle, *last])
    return read_table(replace(table, source=b"\n".join(few)))[0]


def repeated(entries: Iterable[Entry], most: int) -> list[Entry]:
    """Return the entries whose key an earlier entry has, up to *most*; postmap(1) folds case and keeps the first."""
    seen: set[str] = set()
    duplicates = []
    for entry in entries:
        if (key := entry.key.lower()) in seen:
            duplicates.append(entry)
            if len(duplicates) >= most:
                break
        seen.add(key)
    return duplicates


EXPLAINED = {
    "malformed-entry": (
        "A line of a table cannot be read as a key and a value. postmap would skip it with a warning and still "
        "report success, so that the entry is missing from the map. Give it a value, or mark it as a comment with "
        "#."
    ),
}
