"""What is known of a large file is known by its content, and a file with a fault is read each time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.desired import table_memory
from reconciler.desired.budget import Budget
from reconciler.desired.layout import of_sites
from reconciler.desired.table_files import read_tables
from reconciler.desired.text_faults import clean
from reconciler.model import File, Finding, Table
from reconciler.model.past import Past
from reconciler.postfix import table_parts

ROWS = "".join(f"user{number:05}@v.example box@out.example\n" for number in range(10_000)).encode()
PATH = "tables/virtual"


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Past[table_memory.KnownFile]:
    """What is kept, and nothing of it from other tests."""
    past = Past[table_memory.KnownFile](8)
    monkeypatch.setattr(table_memory, "_kept", past)
    return past


def never() -> bytes:
    """Fail, for a file is read."""
    pytest.fail("a file was read again")


def table_of(file: File, path: str = PATH) -> Table:
    """Return the table of a commit with that file alone."""
    files, findings = clean({path: file})
    assert not findings
    (table,) = read_tables(files, of_sites(files), list[Finding](), Budget())
    assert isinstance(table, Table)
    return table


def test_a_large_table_that_was_read_is_known_without_its_bytes() -> None:
    before = table_of(File.of(ROWS))
    known = table_of(replace(File.of(ROWS), read=never), "tables/sender_canonical")
    assert (known.name, known.size, known.digest) == ("sender_canonical", before.size, before.digest)
    assert table_memory.lines_of(replace(File.of(ROWS), read=never)) == ROWS.count(b"\n") + 1


def test_its_bytes_are_there_for_who_asks_and_are_read_once() -> None:
    table_of(File.of(ROWS))
    reads: list[str] = []

    def read() -> bytes:
        reads.append("read")
        return ROWS

    table = table_of(replace(File.of(ROWS), read=read))
    assert reads == []
    assert (table.source, table.source) == (ROWS, ROWS)
    assert reads == ["read"]
    assert table == table_of(File.of(ROWS))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (PATH, ROWS[: table_parts.SMALLEST - 1]),
        (PATH, ROWS + "odd\xa0row x\n".encode()),
        (PATH, ROWS + b"<<<<<<< ours\n"),
        ("files/list", ROWS),
    ],
    ids=["small", "with an odd character", "with the marks of a merge", "no table"],
)
def test_only_a_large_table_without_a_fault_is_known(
    path: str, content: bytes, kept: Past[table_memory.KnownFile]
) -> None:
    clean({path: File.of(content)})
    assert len(kept) == 0


def test_a_table_of_several_files_is_read(kept: Past[table_memory.KnownFile]) -> None:
    files = {PATH: File.of(ROWS), "sites/site1/tables/virtual": File.of(b"a@b.example c@d.example\n")}
    for _ in range(2):
        cleaned, _ = clean(files)
        (table,) = read_tables(cleaned, of_sites(cleaned), list[Finding](), Budget())
        assert isinstance(table, Table)
        assert table.source == ROWS + b"a@b.example c@d.example\n"
        assert table.pieces == ((1, PATH), (10_001, "sites/site1/tables/virtual"))
    assert len(kept) == 1
