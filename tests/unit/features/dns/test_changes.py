"""What publishing DNS records would change."""

from __future__ import annotations

from reconciler.features.dns.changes import RRset, RRsetKey, lines, publication, rrsets_to_query
from reconciler.features.dns.zone import Record

MX = Record("v.example.", "MX", "10 mail.v.example.", 60)
SPF = Record("v.example.", "TXT", '"v=spf1 mx -all"', 60)


def found(ttl: int, *data: str) -> RRset:
    """A set as a server has it."""
    return RRset(ttl, {one: one for one in data})


def test_only_what_we_made_is_removed_and_what_is_in_the_way_is_a_conflict() -> None:
    old = Record("v.example.", "TXT", '"v=spf1 a -all"', 60)
    key = RRsetKey("v.example.", "TXT")
    theirs = '"verification=1"'
    done = publication("v.example", [SPF], frozenset({old}), {key: found(60, old.data, theirs)})
    assert lines(done) == [f"  - {old}", f"  + {SPF}"]
    assert done.ours == {SPF}

    done = publication("v.example", [SPF], frozenset(), {key: found(60, old.data, theirs)})
    assert (len(done.changes), len(done.conflicts), len(done.ours)) == (0, 1, 0)
    done = publication("v.example", [SPF], frozenset(), {key: found(60, SPF.data)})
    assert done.empty
    assert done.ours == set()
    done = publication("v.example", [MX], frozenset(), {RRsetKey("v.example.", "CNAME"): found(60, "x.test.")})
    assert "CNAME x.test." in done.conflicts[0]
    assert done.changes == ()


def test_a_set_that_is_not_all_ours_keeps_its_ttl() -> None:
    key = RRsetKey("v.example.", "TXT")
    done = publication("v.example", [SPF], frozenset(), {key: found(999, '"theirs"')})
    assert [record.ttl for record in done.changes[0].add] == [999]
    assert publication("v.example", [SPF], done.ours, {key: found(999, '"theirs"', SPF.data)}).empty
    done = publication("v.example", [SPF], frozenset({SPF}), {key: found(999, SPF.data)})
    assert lines(done) == [f"  ~ {SPF}"]


def test_a_cname_of_ours_gives_way_to_an_address_and_is_asked_for() -> None:
    alias = Record("w.v.example.", "CNAME", "v.example.", 60)
    address = Record("w.v.example.", "A", "192.0.2.1", 60)
    assert RRsetKey("w.v.example.", "CNAME") in rrsets_to_query("v.example", [address], [])
    done = publication(
        "v.example", [address], frozenset({alias}), {RRsetKey("w.v.example.", "CNAME"): found(60, "v.example.")}
    )
    assert RRsetKey("mail.v.example.", "CNAME") in rrsets_to_query("v.example", [MX], [])
    assert rrsets_to_query("w.example", [MX], []) == [RRsetKey("v.example.", "MX")]
    assert lines(done) == [f"  + {address}", f"  - {alias}"]
    assert done.conflicts == ()
