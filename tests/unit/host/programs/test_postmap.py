"""What postmap prints, and how many entries a compiled table holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Completed, Host
from reconciler.host.programs import postmap
from reconciler.model import Table, Where
from reconciler.postfix.tables import Entry
from tests.unit.recorded_host import TRANSCRIPTS, RecordedHost, commands

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def table(name: str, kind: str, compiler: str = "") -> Table:
    """Return a table whose source was recorded."""
    path = TRANSCRIPTS / "tables" / name
    source = path.read_bytes() if path.exists() else b""
    return Table(name=name, type=kind, source=source, file=f"tables/{name}", compiler=compiler)


VIRTUAL = [(3, "duplicate"), (4, "key whitespace"), (5, "alias file"), (6, "unbalanced")]
TABLES = {
    "lmdb": (table("virtual", "lmdb", "postmap"), VIRTUAL),
    "hash": (table("virtual", "hash", "postmap"), VIRTUAL),
    "aliases": (table("aliases", "hash", "postalias"), [(2, "duplicate"), (3, "name:value"), (4, "name:value")]),
    "regexp": (table("header_checks", "regexp"), [(2, "Unmatched")]),
    "pcre": (table("header_checks", "pcre"), [(2, "closing parenthesis")]),
    "cidr": (table("clients", "cidr"), [(1, "non-null host"), (2, "bad address pattern")]),
    "texthash": (table("hosts", "texthash"), [(2, "duplicate")]),
}


@pytest.mark.parametrize("case", TABLES)
def test_complaints_about_a_table_are_told_once_at_their_line(case: str) -> None:
    subject, expected = TABLES[case]
    completed = commands("tables/postmap.txt")[list(TABLES).index(case)]
    found = postmap.complaints(completed, [subject])
    assert [one.where for one in found] == [Where(subject.file, line) for line, _ in expected]
    assert all(words in one.text for one, (_, words) in zip(found, expected, strict=True))


def test_a_map_type_that_is_not_installed_is_a_finding() -> None:
    found = postmap.complaints(commands("tables/postmap.txt")[-1], [])
    assert [one.text for one in found] == ["unsupported dictionary type: cdb. Is the postfix-cdb package installed?"]


def test_an_lmdb_file_says_how_many_entries_it_holds() -> None:
    header = (TRANSCRIPTS / "tables/virtual.lmdb.header").read_bytes()
    assert postmap.lmdb_entries(header) == 3
    assert postmap.lmdb_entries(header[:100]) is None
    assert postmap.lmdb_entries(bytes(8192)) is None


def test_a_compiled_table_that_lost_entries_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "virtual.lmdb").write_bytes((TRANSCRIPTS / "tables/virtual.lmdb.header").read_bytes())
    subject = table("virtual", "lmdb", "postmap")
    three = [Entry("a@v.example", "root", 1), Entry("b@v.example", "root", 2), Entry("key:", "value", 5)]
    host = RecordedHost({"-q -": "a@v.example\troot\nb@v.example\troot\nkey:\tvalue\n"})
    assert postmap.read_back(host, tmp_path, subject, 3, three) == []
    four = [*three, Entry("c@v.example", "root", 6)]
    assert "4 entries were written, 3 are" in postmap.read_back(host, tmp_path, subject, 4, four)[0].text
    other = [*three[:2], Entry("other", "root", 5)]
    assert [one.where.line for one in postmap.read_back(host, tmp_path, subject, 3, other)] == [5]


ALIASES = "@:\t@\nYP_LAST_MODIFIED:\t{at}\nYP_MASTER_NAME:\t{host}\nroot:\tada\n"


class Compiled(Host):
    """A host whose postalias reads one map there, and another one of the same source."""

    def __init__(self, there: str, made: str) -> None:
        self._said = iter(("no\n", "", there, made))

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer as postalias does, which is asked to compile the source first."""
        return Completed(tuple(argv), 0, next(self._said), "")


def test_when_and_where_a_map_was_made_is_no_row_of_it(tmp_path: Path) -> None:
    (source := tmp_path / "aliases").write_text("root: ada\n")
    there = ALIASES.format(at=1700000001, host="old.test.example")
    made = ALIASES.format(at=1700000002, host="mx.test.example")

    assert postmap.difference(Compiled(there, made), source, "lmdb", "postalias") == ""
    assert "1 rows differ" in postmap.difference(Compiled(there, made + "bob:\tx\n"), source, "lmdb", "postalias")
    assert "2 rows differ" in postmap.difference(Compiled(there, made.replace("ada", "bob")), source, "lmdb")
    host = RecordedHost({"-s lmdb:": ALIASES.format(at=1, host="x")})
    assert postmap.rows(host, "lmdb:/etc/postfix/aliases", "postalias") == ["root:\tada"]
