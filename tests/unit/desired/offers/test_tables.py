"""Tables of the commit become lmdb:, wherever a setting names them, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.desired.offers.tables import find
from tests.unit.desired.offers.grounds import HEAD, after, ground, text
from tests.unit.host_facts import HOST

ROWS = "a.example  b\n"


def test_the_file_loses_its_type_and_the_setting_names_the_file() -> None:
    before = ground(
        f"{HEAD}  # old: hash:/etc/postfix/partners\n"
        "  smtpd_client_restrictions: check_client_access hash:/etc/postfix/partners,\n"
        "    check_client_access hash:/etc/postfix/partners.old, check_client_access hash:/etc/mail/partners\n"
        "  other: proxy:hash:$config_directory/partners\n",
        "smtp inet n - n - - smtpd -o x=check_sender_access,hash:${config_directory}/partners\n",
        partners__hash=ROWS,
    )

    offer = find(before)

    assert offer is not None
    assert text(offer) == (
        f"{HEAD}  # old: hash:/etc/postfix/partners\n"
        "  smtpd_client_restrictions: check_client_access table:partners,\n"
        "    check_client_access hash:/etc/postfix/partners.old, check_client_access hash:/etc/mail/partners\n"
        "  other: proxy:table:partners\n"
    )
    assert "access,lmdb:$config_directory/partners\n" in text(offer, "master.d/host.cf")
    assert offer.files["tables/partners.hash"] is None
    assert text(offer, "tables/partners") == ROWS
    assert offer.renamed == {"hash:/etc/postfix/partners": "lmdb:/etc/postfix/partners"}
    new = after(before, offer)
    assert new.tables["partners"].type == "lmdb"
    assert new.parameters["other"].value == "proxy:lmdb:$config_directory/partners"


@pytest.mark.parametrize(
    ("mail", "is_kept"),
    [
        (f"{HEAD}  x: y\n  virtual_alias_maps: hash:/etc/postfix/virtual\n", False),
        (f"{HEAD}  x: y\n  # ours\n  virtual_alias_maps: hash:/etc/postfix/virtual\n", True),
        (f"{HEAD}  x: y\n  virtual_alias_maps: hash:/etc/postfix/virtual, hash:/etc/mail/more\n", True),
    ],
)
def test_a_setting_goes_if_the_name_of_the_file_says_the_same(mail: str, is_kept: bool) -> None:
    before = ground(mail, virtual__hash=ROWS)

    offer = find(before)

    assert offer is not None
    assert ("virtual_alias_maps" in text(offer)) == is_kept
    assert "lmdb:$config_directory/virtual" in after(before, offer).parameters["virtual_alias_maps"].value


def test_tables_of_other_types_stay() -> None:
    mail = f"{HEAD}  a: hash:/etc/postfix/x lmdb:/etc/postfix/y cidr:/etc/postfix/z\n"

    assert find(ground(mail, y=ROWS, z__cidr="192.0.2.0/24 OK\n")) is None


def test_a_postfix_without_lmdb_is_offered_nothing() -> None:
    facts = replace(HOST, map_types=HOST.map_types - {"lmdb"})

    assert find(ground(f"{HEAD}  a: hash:/etc/postfix/x\n", facts=facts, x__hash=ROWS)) is None
