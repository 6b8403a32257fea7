"""Tables of a commit: their types and how they are named."""

from __future__ import annotations

from reconciler.desired.load import load
from tests.unit.commits import file_tree


def test_tables_take_their_type_from_their_name() -> None:
    files = {"tables/a": "", "tables/b.pcre": "", "tables/c.hash": "", "tables/aliases": "", "tables/README.md": "x"}
    desired = load(file_tree({"mail.yaml": "hostname: a.b\n"} | files), "mx1", {})

    assert {name: (one.type, one.compiler) for name, one in desired.tables.items()} == {
        "a": ("lmdb", "postmap"), "b": ("pcre", ""), "c": ("hash", "postmap"), "aliases": ("lmdb", "postalias"),
    }  # fmt: skip
    assert desired.tables["b"].reference == "pcre:$config_directory/b"
