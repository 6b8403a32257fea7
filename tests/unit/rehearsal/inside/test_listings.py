"""The recipients that rows of a table name."""

from __future__ import annotations

from reconciler.rehearsal.inside.listings import recipients


def test_addresses_and_whole_domains_name_recipients() -> None:
    rows = [("v.example", "x"), ("/^a/", "x"), ("@v.example", "x"), ("a@v.example", "x"), ("b@v.example", "x")]
    assert recipients(rows) == ["somebody@v.example", "a@v.example"]


def test_local_names_count_only_in_a_table_of_local_names() -> None:
    rows = [
        ("YP_MASTER_NAME", "mx"),
        ("@", "@"),
        ("ops", "root"),
        ("list", '"|/bin/x"'),
        ("file", "/srv/x"),
        ("more", ":include:/x"),
        ("sales", "root"),
    ]
    assert recipients(rows) == []
    assert recipients(rows, "d.example") == ["ops@d.example", "sales@d.example"]
