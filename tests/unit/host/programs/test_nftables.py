"""What nft prints."""

from __future__ import annotations

from reconciler.host.programs import nftables


def test_the_counts_of_the_table_are_read() -> None:
    text = (
        '{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": {"family": "inet", "name": "tried", "elem": ['
        '{"elem": {"val": 0, "expires": 86399, "counter": {"packets": 1, "bytes": 60}}},'
        '{"elem": {"val": 65534, "expires": 86397, "counter": {"packets": 3, "bytes": 180}}}]}}]}'
    )

    assert [(one.uid, one.user, one.times) for one in nftables.elements(text)] == [(0, "root", 1), (65534, "nobody", 3)]
    assert list(nftables.elements('{"nftables": [{"set": {"name": "tried"}}]}')) == []
