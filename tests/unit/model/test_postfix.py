"""Services and tables: how Postfix names them, and where each line of a table was written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model import Service, Severity, Table, Where
from reconciler.model.postfix import Unread


def test_a_service_is_named_by_its_name_and_type() -> None:
    assert Service(name="[::1]:25", type="inet", command="smtpd", where=Where("m")).key == "[::1]:25/inet"


def test_a_table_is_named_by_its_type_in_the_folder_of_the_configuration() -> None:
    table = Table(name="virtual", type="lmdb", source=b"", file="tables/virtual")

    assert table.reference == "lmdb:$config_directory/virtual"
    assert (table.where, table.at(7)) == (Where("tables/virtual"), Where("tables/virtual", 7))


def test_a_line_of_a_table_of_several_files_is_where_it_was_written() -> None:
    pieces = ((1, "tables/virtual"), (4, "sites/site1/tables/virtual"), (9, "sites/site2/tables/virtual"))
    table = Table(name="virtual", type="lmdb", source=b"", file="tables/virtual", pieces=pieces)

    assert [str(table.at(line)) for line in (3, 4, 8, 10)] == [
        "tables/virtual:3:1",
        "sites/site1/tables/virtual:1:1",
        "sites/site1/tables/virtual:5:1",
        "sites/site2/tables/virtual:2:1",
    ]


def test_a_finding_about_a_service_names_it_and_its_type() -> None:
    finding = Service(name="x", type="unix", command="pipe", where=Where("master.d/x.cf", 2)).finding("r", "wrong")

    assert (str(finding), finding.subject) == ('master.d/x.cf:2:1: service "x" of type unix: wrong', "x/unix")


def test_a_finding_about_a_line_of_a_table_is_where_the_line_was_written() -> None:
    pieces = ((1, "tables/virtual"), (4, "sites/site1/tables/virtual"))
    table = Table(name="virtual", type="lmdb", source=b"", file="tables/virtual", pieces=pieces)
    finding = table.finding("r", 5, "wrong", "a@v.example", severity=Severity.WARNING)

    assert str(finding) == "sites/site1/tables/virtual:2:1: warning: table virtual: wrong"
    assert (finding.subject, table.finding("r", 5, "wrong").subject) == ("virtual a@v.example", "virtual")


def test_a_table_says_its_size_and_its_digest_without_reading_its_source() -> None:
    table = Table(name="virtual", type="lmdb", source=b"a b\n", file="tables/virtual")
    reads: list[str] = []

    def read() -> bytes:
        reads.append("read")
        return b"a b\n"

    unread = replace(table, source=Unread(read, table.size, table.digest))

    assert (unread.size, unread.digest, reads) == (4, table.digest, [])
    assert unread == table
    assert (unread.source, replace(unread, name="x").source, reads) == (b"a b\n", b"a b\n", ["read"])


def test_a_table_needs_a_source() -> None:
    with pytest.raises(TypeError, match="source"):
        Table(name="virtual", type="lmdb", file="tables/virtual")
