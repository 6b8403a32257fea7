"""Tables of tls_server_sni_maps: which are asked, and the files that their rows name."""

from __future__ import annotations

from reconciler.features.composition import compose
from reconciler.postfix import sni
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

ROWS = "# by name\nMX.test.example /k.pem, /c.pem\n.v.example /v.pem\nodd.example relative.pem\n"


def test_a_row_is_a_name_in_small_letters_and_its_files_in_order() -> None:
    merged = compose(desired(files={"tables/sni": ROWS}), HOST)
    rows = list(sni.rows(merged, HOST))

    assert [(row.name, row.files) for row in rows] == [
        ("mx.test.example", ("/k.pem", "/c.pem")),
        (".v.example", ("/v.pem",)),
        ("odd.example", ("relative.pem",)),
    ]
    assert str(rows[0].where) == "tables/sni:2:1"
    assert sni.files(merged, HOST) == {"/k.pem", "/c.pem", "/v.pem"}


def test_a_table_that_is_named_twice_is_one_and_a_compiled_one_has_no_rows() -> None:
    named = {"tls_server_sni_maps": "table:certs, table:certs"}
    merged = compose(desired(named, {"tables/certs.hash": ROWS}), HOST)

    assert sni.names(merged, HOST) == {("certs", "hash")}
    assert list(sni.rows(merged, HOST)) == []


def test_a_finding_about_a_row_is_of_the_moment() -> None:
    merged = compose(desired(files={"tables/sni": ROWS}), HOST)
    finding = next(sni.rows(merged, HOST)).finding("missing-file", "no file", "/k.pem")

    assert (finding.text, finding.subject) == ('table sni: "mx.test.example": no file', "sni mx.test.example /k.pem")
    assert not finding.lasting
