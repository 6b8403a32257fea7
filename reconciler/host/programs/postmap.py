"""postmap and postalias: compiling tables inside a folder, and reading back what came of it.

Promises: every warning is a finding at its line of the source, though the programs exit 0 on duplicates, malformed
lines and empty tables; what was compiled is counted and sampled, and a table that Postfix reads as text is opened once.
Raises CommandFailed for a program that fails without saying why, or not in time.

An LMDB file says in its header how many entries it holds, so that counting 100,000 takes no time; other types are
counted by ``postmap -s`` (0.15 s). Known limits: of many complaints about tables only the first hundred are told.
"""

from __future__ import annotations

import re
import shutil
import struct
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.programs.postconf import scratch
from reconciler.model import UNWRITTEN, Finding
from reconciler.model.ascii_text import SPACE, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.host.effects import Completed, Host
    from reconciler.model import Table
    from reconciler.postfix.tables import Entry

TIMEOUT = 600.0
MOST = 100
# postalias adds rows of its own, as NIS wants them.
_ADDED = {"postalias": 3, "postmap": 0}
_OF_POSTALIAS = re.compile(r"@:?\t@|YP_LAST_MODIFIED:?\t[0-9]+|YP_MASTER_NAME:?\t[^ \t]*")
CHANGEABLE = frozenset({"hash", "lmdb"})
"""The types whose maps can be changed; a cdb file is only ever made anew."""
_PASSING = re.compile(r"No such file|Permission denied|No space left|Read-only|Input/output")
_MESSAGE = re.compile(
    r"""(?:\w+:\ )?(?:warning|error|fatal|panic):\ (?:open\ |database\ )?(?:(?:regexp|pcre|cidr)\ map\ |\w+:)?
    (?P<path>/[^\s,:]+?)(?:\.(?:db|lmdb|cdb|dir|pag))?(?:,\ line\ (?P<line>\d+))?:\ (?P<what>.*)""",
    re.VERBOSE | re.ASCII,
)
_DUPLICATE = re.compile(r'duplicate entry: "(?P<key>.*)"')


def compile_tables(host: Host, folder: Path, tables: Sequence[Table]) -> list[Finding]:
    """Compile the tables whose sources lie in *folder*; main.cf of the same folder holds."""
    findings: list[Finding] = []
    for program in sorted({table.compiler for table in tables if table.compiler}):
        maps = [f"{table.type}:{folder}/{table.name}" for table in tables if table.compiler == program]
        completed = host.act((program, "-c", str(folder), *maps), timeout=TIMEOUT)
        findings += complaints(completed, tables)
        if not findings:
            completed.checked()
    return findings


def change(host: Host, folder: Path, table: Table, lines: Sequence[bytes], deleted: Sequence[str]) -> bool:
    """Delete keys from a compiled map and set the entries of *lines*; return False if a program complains or fails."""
    argv, name = (table.compiler, "-c", str(folder)), f"{table.type}:{folder}/{table.name}"
    keys = "".join(f"{key}\n" for key in deleted).encode("ascii")
    entries = b"".join(line + b"\n" for line in lines)
    for options, text in ((("-d", "-"), keys), (("-i", "-r"), entries)):
        if text:
            completed = host.act((*argv, *options, name), timeout=TIMEOUT, input=text)
            if completed.status or completed.stderr.strip(SPACE):
                return False
    return True


def read_as_text(host: Host, folder: Path, tables: Sequence[Table]) -> list[Finding]:
    """Let Postfix read the tables that are not compiled (pcre, regexp, cidr, texthash)."""
    findings: list[Finding] = []
    for table in tables:
        if not table.compiler:
            completed = host.run(("postmap", "-c", str(folder), "-q", "x", f"{table.type}:{folder}/{table.name}"))
            findings += complaints(completed, tables)
    return findings


def complaints(completed: Completed, tables: Sequence[Table]) -> list[Finding]:
    """Every line of standard error is a finding; some come several times."""
    program, named = completed.argv[0], {table.name: table for table in tables}
    lines = dict.fromkeys(split_lines(completed.stderr))
    return list(islice((_finding(program, line, named) for line in lines if line.strip(SPACE)), MOST))


def _finding(program: str, line: str, tables: dict[str, Table]) -> Finding:
    match = _MESSAGE.match(line)
    table = tables.get(Path(match["path"]).name) if match else None
    lasting = not _PASSING.search(line)
    if match is None or table is None:
        text = re.sub(r"^\w+: (?:(?:warning|error|fatal|panic): )?", "", line, flags=re.ASCII)
        return Finding(rule=program, where=UNWRITTEN, text=text, subject=text, lasting=lasting)
    number = int(match["line"] or 0) or _line_of(match["what"], table)
    text = f"table {table.name}: {match['what']}"
    return Finding(rule=program, where=table.at(number), text=text, subject=table.name, lasting=lasting)


def _line_of(what: str, table: Table) -> int:
    """Where the key of a complaint without a line stands for the second time."""
    match = _DUPLICATE.match(what)
    if not match:
        return 1
    key = match["key"].lower().encode("utf-8", "surrogateescape")
    lines = enumerate(table.source.lower().split(b"\n"), 1)
    found = [number for number, line in lines if line.startswith((key, b'"' + key))]
    return found[1] if len(found) > 1 else 1


# ---- reading back ----------------------------------------------------------------------------------------------------


def read_back(host: Host, folder: Path, table: Table, wanted: int, sample: Sequence[Entry]) -> list[Finding]:
    """Count what was compiled, and look some of its entries up."""
    counted = count(host, folder, table)
    if counted != wanted:
        return [_lost(table, 1, f"{wanted} entries were written, {counted} are in the compiled table")]
    keys = {entry.key.lower(): entry.line for entry in sample}
    found = look_up(host, folder, table, keys)
    return [
        _lost(table, line, f'"{key}" is not in the compiled table') for key, line in keys.items() if key not in found
    ]


def _lost(table: Table, line: int, text: str) -> Finding:
    where = table.at(line)
    return Finding(rule="read-back", where=where, text=f"table {table.name}: {text}", subject=table.name, lasting=False)


def count(host: Host, folder: Path, table: Table) -> int:
    """How many entries the compiled table holds, without those that postalias adds."""
    added = _ADDED[table.compiler]
    if table.type == "lmdb":
        with (folder / f"{table.name}.lmdb").open("rb") as stream:
            counted = lmdb_entries(stream.read(8192))
        if counted is not None:
            return counted - added
    argv = (table.compiler, "-c", str(folder), "-s", f"{table.type}:{folder}/{table.name}")
    return host.run(argv, timeout=TIMEOUT).checked().stdout.count("\n") - added


def lmdb_entries(header: bytes) -> int | None:
    """The entries of an LMDB file by its two meta pages, the newer of which holds; None for another layout.

    A page starts with a header of 16 bytes; then MDB_meta: magic, version, address, size, two MDB_db, last page, txnid.
    """
    page = struct.Struct("=16xII16x48xIHHQQQQQQQ")
    newest, entries = -1, None
    for start in (0, 4096):
        if len(header) < start + page.size:
            return None
        magic, version, *_, counted, _root, _last, transaction = page.unpack_from(header, start)
        if (magic, version) != (0xBEEFC0DE, 1):
            return None
        if transaction > newest:
            newest, entries = transaction, counted
    return entries


def query(host: Host, directory: Path, table: str, key: str) -> str:
    """What a live table, named as main.cf names it, says of a key; empty when nothing, or when it can't be asked."""
    argv = ("postmap", "-c", str(directory), "-q", key, table.replace("$config_directory", str(directory)))
    return host.run(argv).stdout.strip(SPACE)


def look_up(host: Host, folder: Path, table: Table, keys: Iterable[str]) -> dict[str, str]:
    """The entries of these keys, as ``postmap -q -`` finds them in one go."""
    text = "".join(f"{key}\n" for key in keys)
    argv = (table.compiler or "postmap", "-c", str(folder), "-q", "-", f"{table.type}:{folder}/{table.name}")
    completed = host.run(argv, input=text.encode("utf-8", "surrogateescape"))
    return dict(_found(completed.stdout, table.compiler))


def _found(text: str, program: str) -> Iterator[tuple[str, str]]:
    """Read ``key TAB value`` lines; postalias says ``key: TAB value``."""
    for line in split_lines(text):
        key, _, value = line.partition("\t")
        yield key.removesuffix(":") if program == "postalias" else key, value


# ---- comparing -------------------------------------------------------------------------------------------------------


def rows(host: Host, table: str, program: str = "postmap") -> list[str]:
    """Return the rows of a compiled table, named TYPE:PATH; none if there is no such map, or it can't be read."""
    with scratch() as folder:
        completed = host.run((program, "-c", str(folder), "-s", table), timeout=TIMEOUT)
    return [] if completed.status else _of_source(completed)


def _reading(host: Host, directory: Path) -> bytes:
    """Return a main.cf with which postmap reads a text as with that of a directory: as UTF-8, or byte for byte."""
    said = host.run(("postconf", "-c", str(directory), "-xh", "smtputf8_enable")).stdout.strip(SPACE)
    return f"smtputf8_enable = {said or 'yes'}\n".encode()


def _of_source(completed: Completed) -> list[str]:
    """Return the rows of a map that are of its source: when and where postalias made it is no row of anyone's."""
    return [line for line in split_lines(completed.stdout) if not _OF_POSTALIAS.fullmatch(line)]


def opens(host: Host, table: str) -> bool:
    """Return whether Postfix can read a table that needs no compiling, named TYPE:PATH, without a complaint."""
    with scratch() as folder:
        completed = host.run(("postmap", "-c", str(folder), "-q", "x", table))
    return not completed.stderr.strip(SPACE)


def difference(host: Host, source: Path, kind: str, program: str = "postmap") -> str:
    """Return how a compiled table differs from what its source would be compiled to; empty if the rows are the same."""
    with scratch(_reading(host, source.parent)) as folder:
        copy = folder / source.name
        shutil.copyfile(source, copy)
        compiled = host.run((program, "-c", str(folder), f"{kind}:{copy}"), timeout=TIMEOUT)
        if compiled.status or compiled.stderr.strip(SPACE):
            return "postmap complains about its source"
        there = host.run((program, "-c", str(folder), "-s", f"{kind}:{source}"), timeout=TIMEOUT)
        if there.status:
            return "it has no compiled map, or the map can't be read"
        made = host.run((program, "-c", str(folder), "-s", f"{kind}:{copy}"), timeout=TIMEOUT).checked()
    wanted, found = Counter(_of_source(made)), Counter(_of_source(there))
    if more := sum((wanted - found).values()) + sum((found - wanted).values()):
        return f"its source was edited and not compiled: {more} rows differ"
    return ""
