"""Tables of the commit, and tables on servers that it describes."""

from __future__ import annotations

from reconciler.desired import described
from reconciler.features.databases import Definition, Definitions
from reconciler.model import Table, Where

OWN = Table(name="own", type="lmdb", source=b"a b\n", file="tables/own", pieces=((1, "tables/own"), (2, "sites/x")))
THERE = Definition("there", "mysql", "tables/there.mysql", b"dbname = m\npassword = !secret db\nuser = !secret u\n")


def test_each_kind_is_apart_and_knows_its_files_and_secrets() -> None:
    assert described.own([OWN, THERE]) == {"own": OWN}
    assert described.section([OWN, THERE]) == {Definitions: Definitions((THERE,))}
    assert [described.files(one) for one in (OWN, THERE)] == [["tables/own", "sites/x"], ["tables/there.mysql"]]
    assert list(described.secrets([OWN, THERE])) == [
        (Where("tables/there.mysql", 2), "db"), (Where("tables/there.mysql", 3), "u")
    ]  # fmt: skip
