"""The tables of a commit: the files that make each of them, their names, and whether anything uses them.

A table of a site's folder adds its rows to the table of the same name; of thousands of such files, a push changes one,
and the text of the others is known. Pure. Raises InvalidSource for more lines than the budget has room for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from io import BytesIO
from itertools import accumulate
from typing import TYPE_CHECKING

from reconciler.desired import table_memory
from reconciler.desired.layout import LEFTOVER, PASSWORDS, is_prose
from reconciler.features import tables
from reconciler.features.databases import Definition
from reconciler.model import Finding, Table, Where, closest, did_you_mean, error_at, paths_in, warning_at
from reconciler.model.ascii_text import SPACE
from reconciler.model.past import PastOfEach
from reconciler.postfix.references import CLIENTS, TABLE_REFERENCE
from reconciler.postfix.tables import TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.desired.budget import Budget
    from reconciler.desired.described import AnyTable
    from reconciler.desired.layout import SiteFiles
    from reconciler.model import Tree
    from reconciler.model.postfix import Unread

COMPILED_TYPES = ("lmdb", "hash", "cdb")
RESERVED_NAMES = frozenset(
    {"main.cf", "master.cf", "dynamicmaps.cf", "postfix-files", "postfix-script", "post-install"}
)
_FOLDER = "tables/"
_BY_PARAMETER = {
    name: known
    for known, parameter in tables.WIRED.items()
    for name in (parameter, parameter.removesuffix("_maps"), known.removesuffix("s"), f"{known}s")
    if name not in tables.WIRED
}
_TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,199}\Z")
_NAMED = re.compile(r"(?<=[:/])[\w-]+", re.ASCII)
_WORDS = re.compile(r"[\w-]+", re.ASCII)
_COMPILED = frozenset({".db", ".dir", ".pag"})  # NAME.lmdb is the source of a table of that type
_NO_KEY = frozenset(one.encode() for one in (*SPACE, "#"))
"""How a text begins that does not begin with the key of a row."""
_SMALL = 512
_texts: PastOfEach[str, bytes | None] = PastOfEach(16, by_value=True)
"""By table: the text of each small file of a site that adds to it."""


def read_tables(files: Tree, ours: SiteFiles, findings: list[Finding], budget: Budget) -> Iterator[AnyTable]:
    """Yield the tables of a commit with the entries of sites; append errors in their names to *findings*.

    A table on a server is described only.

    Raises InvalidSource for more lines than the budget has room for.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for name, paths in _sources(files, ours):
        base, _, suffix = name.partition(".")
        first, others = found.get(base, (name, []))
        if problem := _bad_table(name, base, suffix):
            findings += (error_at(problem[0], Where(path), problem[1], name) for path in paths)
        # Sites may add to a table of the same file name; a second file in tables/ may not.
        elif others and (first != name or paths[0].startswith(_FOLDER)):
            text = (
                f"duplicate table {base}: {others[0]} is its source already, and both would become"
                f" $config_directory/{base}"
            )
            findings += (error_at("ambiguous-table", Where(path), text, base, Where(others[0])) for path in paths)
        else:
            found[base] = name, [*others, *paths]
    for base, (name, paths) in found.items():
        kind = tables.type_of(base, name.partition(".")[2])
        compiler = "" if kind in TEXT_TYPES else "postalias" if base == "aliases" else "postmap"
        texts = _texts_of(base, paths, files)
        lines = [
            table_memory.lines_of(files[path]) if text is None else text.count(b"\n") + 1
            for path, text in zip(paths, texts, strict=True)
        ]
        budget.take_lines(lines, paths)
        if kind in CLIENTS:
            yield from _described(base, kind, {path: files[path].read() for path in paths}, findings)
            continue
        source, pieces = _source(paths, texts, files, findings)
        yield Table(name=base, type=kind, source=source, file=paths[0], compiler=compiler, pieces=pieces)


def _source(
    paths: list[str], texts: Sequence[bytes | None], files: Tree, findings: list[Finding]
) -> tuple[bytes | Unread, tuple[tuple[int, str], ...]]:
    """Return the source of a table that these files make, and the first line of each piece if there are several."""
    if len(paths) == 1:
        return table_memory.source_of(files[paths[0]]), ()
    whole = [files[path].read() if text is None else text for path, text in zip(paths, texts, strict=True)]
    findings += _continuing(paths, whole)
    return _joined(paths, whole)


def _sources(files: Tree, ours: SiteFiles) -> Iterator[tuple[str, list[str]]]:
    """Yield the file name of each table with its files: those of tables/ first, then those of sites by number."""
    for path in paths_in(files, _FOLDER):
        if not is_prose(name := path.removeprefix(_FOLDER)):
            yield name, [path]
    of_name: dict[str, list[str]] = {}
    for one in ours.tables:
        of_name.setdefault(one.name, []).append(one.path)
    yield from of_name.items()


def _texts_of(table: str, paths: list[str], files: Tree) -> tuple[bytes | None, ...]:
    """Return the text of each file of a table that is small and a site's; None for the others."""
    by_content = {files[path].digest: path for path in paths}

    def text_of(digest: str) -> bytes | None:
        path = by_content[digest]
        if path.startswith(_FOLDER) or table_memory.known_of(files[path]):
            return None
        text = files[path].read()
        return text if len(text) <= _SMALL else None

    return _texts.of([files[path].digest for path in paths], (), text_of, table)


def _described(name: str, kind: str, texts: dict[str, bytes], findings: list[Finding]) -> Iterator[Definition]:
    """Yield the description of a table on a server, which is one file of tables/."""
    for path, text in texts.items():
        if path.startswith(_FOLDER):
            yield Definition(name, kind, path, text)
        else:
            what = f"a site can't add to the table {name}: its rows are on a server; remove this file"
            findings.append(error_at("invalid-table", Where(path), what, path))


def _continuing(paths: list[str], texts: list[bytes]) -> Iterator[Finding]:
    """Yield an error for each piece that begins with a continuation line, which would extend the piece before."""
    suspect = [number for number, text in enumerate(texts) if number and text[:1] in _NO_KEY]  # none of thousands
    for number in suspect:
        lines = enumerate((line.decode("utf-8", "replace") for line in BytesIO(texts[number])), 1)  # one at a time
        told = ((line, text, text.strip(SPACE)) for line, text in lines)
        first = next((one for one in told if one[2] and not one[2].startswith("#")), None)
        if first and first[1][0] in SPACE:
            what = (
                f'"{first[2]}" begins with blanks, so Postfix would read it as a continuation of the last line'
                f" of {paths[number - 1]}; remove the blanks"
            )
            yield error_at("malformed-entry", Where(paths[number], first[0]), what, paths[number])


def _joined(paths: list[str], texts: list[bytes]) -> tuple[bytes, tuple[tuple[int, str], ...]]:
    """Join texts so that each begins on a line of its own; return the text, and the first line of each piece."""
    whole = [text if text.endswith(b"\n") or not text else text + b"\n" for text in texts]
    lines = accumulate((text.count(b"\n") for text in whole), initial=1)
    return b"".join(whole), tuple(zip(lines, paths, strict=False))


def file_of(name: str, kind: str) -> str | None:
    """Return the file of a commit for a table of the configuration directory, or None if it can't be in a commit."""
    file = name if tables.type_of(name, "") == kind else f"{name}.{kind}"
    return None if "." in name or _bad_table(file, *file.partition(".")[::2]) else f"tables/{file}"


@lru_cache(maxsize=1024)
def _bad_table(name: str, base: str, suffix: str) -> tuple[str, str] | None:
    known = (*COMPILED_TYPES, *TEXT_TYPES, *CLIENTS)
    if PASSWORDS.match(base) and suffix not in CLIENTS:
        text = (
            f"table {base} would store passwords in the history; use smart_host with password: !secret NAME,"
            " after `reconciler secret set NAME`"
        )
        return "plain-text-secret", text
    if leftover := LEFTOVER.search(name):
        if leftover[0] in _COMPILED:
            text = f'"{name}" is what postmap makes of a table; remove it, since reconciler compiles tables itself'
        else:
            text = (
                f'"{name}" looks like a copy that an editor or a person left; remove it, since git keeps old versions'
            )
        return "invalid-table", text
    if "/" in name:
        return "invalid-table", f'"{name}" can\'t be the name of a table: nothing reads folders here; move it up'
    if not _TABLE_NAME.match(base) or name in RESERVED_NAMES:
        return "invalid-table", f'"{name}" can\'t be the name of a table'
    if suffix in {"txt", "map", "maps", "cf", "conf", "table", "tbl", "list"}:
        return "invalid-table", f'unknown table type "{suffix}"; rename it to tables/{base}'
    if suffix and suffix not in known:
        return (
            "invalid-table",
            f'unknown table type "{suffix}"{did_you_mean(suffix, known) or "; known types are " + ", ".join(known)}',
        )
    return None


def unwired(commit_tables: Collection[AnyTable], values: Iterable[str]) -> Iterator[Finding]:
    """Yield a warning for each table that no value of any host refers to."""
    missing = sorted(tables.WIRED.keys() - {table.name for table in commit_tables})
    texts = list(values)
    named = {name for text in texts for name in _NAMED.findall(text)}
    mentioned = {name for text in texts for name in _WORDS.findall(text)}
    unknown = {name for text in texts for name in TABLE_REFERENCE.findall(text)} - {one.name for one in commit_tables}
    misspelt = {closest(name, [one.name for one in commit_tables]) for name in unknown}  # reported where they stand
    for table in commit_tables:
        if table.name in misspelt:
            continue
        if table.name in tables.WIRED or table.name in named:
            continue
        known = _BY_PARAMETER.get(table.name)
        if known and known not in missing:
            text = f"nothing uses table {table.name}; {tables.WIRED[known]} reads tables/{known}: did you mean that?"
            yield warning_at("unused-table", table.where, text, table.name)
        elif likely := known or closest(table.name, missing):
            text = f"nothing uses table {table.name}; did you mean {likely}, which is {tables.WIRED[likely]}?"
            yield warning_at("unused-table", table.where, text, table.name)
        elif table.name not in mentioned:
            text = f"nothing uses table {table.name}: no setting names table:{table.name}"
            yield warning_at("unused-table", table.where, text, table.name)


EXPLAINED = {
    "ambiguous-table": (
        "Two files are the source of the same table. Both would be compiled to the same name, and one of them "
        "would be lost. Keep one, or rename the other."
    ),
    "invalid-table": (
        "A file in tables/ has a name that no table can have. Names are letters, digits, - and _, and may end "
        "in a type: lmdb, hash, cdb, pcre, regexp, cidr, texthash, or the type of a table on a server, such as mysql. "
        "Rename the file."
    ),
    "unused-table": (
        "No setting names a table, so its entries have no effect. Its name may be a misspelling of one that reconciler "
        "wires itself, or a parameter with another value may take its place. Rename it to the well-known name, name it "
        "in a parameter as table:NAME, or remove it."
    ),
}
