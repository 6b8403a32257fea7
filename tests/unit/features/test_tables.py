"""Tables of a commit: their types and how they are named."""

from __future__ import annotations

from reconciler.desired.load import load
from tests.unit.commits import file_tree
from tests.unit.desired_states import findings_of


def test_tables_take_their_type_from_their_name() -> None:
    files = {"tables/a": "", "tables/b.pcre": "", "tables/c.hash": "", "tables/aliases": "", "tables/README.md": "x"}
    desired = load(file_tree({"mail.yaml": "hostname: a.b\n"} | files), "mx1", {})

    assert {name: (one.type, one.compiler) for name, one in desired.tables.items()} == {
        "a": ("lmdb", "postmap"), "b": ("pcre", ""), "c": ("hash", "postmap"), "aliases": ("lmdb", "postalias"),
    }  # fmt: skip
    assert desired.tables["b"].reference == "pcre:$config_directory/b"


def test_a_well_known_table_that_another_value_leaves_out_is_a_warning() -> None:
    (finding,) = findings_of("unused-table", {"virtual_alias_maps": "hash:/etc/aliases"})
    assert (finding.is_error, str(finding.where)) == (False, "tables/virtual:1:1")
    assert 'virtual_alias_maps is "hash:/etc/aliases"' in finding.text
    for value in ("table:virtual", "lmdb:$config_directory/virtual, hash:/etc/aliases"):
        assert not findings_of("unused-table", {"virtual_alias_maps": value})
    elsewhere = {"virtual_alias_maps": "hash:/etc/aliases", "canonical_maps": "table:virtual"}
    assert not findings_of("unused-table", elsewhere)
