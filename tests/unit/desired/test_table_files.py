"""Which files make a table, and that those of many sites make the same table as if none had been read before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.load import PartlyRead, load
from reconciler.model.past import forget_oldest
from tests.unit.commits import file_tree, load_commit, load_findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model import Table

MAIL = "hostname: mx1.example.com\nparameters: {mynetworks: 192.0.2.0/24}\n"
OF_SITES = {f"sites/site{number}/tables/virtual": f"d{number}.test -\n@d{number}.test root" for number in range(1, 30)}
BEFORE = {"tables/virtual": "first.test -\n", **OF_SITES, "sites/site1/site.yaml": "domains: [d1.test]\n"}


def forget() -> None:
    """Forget what was found in the past."""
    while forget_oldest():
        continue


def made(files: dict[str, str]) -> tuple[Mapping[str, Table], list[str]]:
    """Return the tables of a commit, or what is wrong with it."""
    try:
        return load(file_tree({"mail.yaml": MAIL, **files}), "mx1", {}).tables, []
    except PartlyRead as error:
        return {}, [str(one) for one in error.findings]


@pytest.mark.parametrize("change", [
    {"sites/site99/tables/virtual": "new.test -\n"}, {"sites/site3/tables/virtual": "other.test -\n"},
    {"sites/site3/tables/virtual": " continued\n"}, {"sites/site3/tables/virtual": ""}, {"tables/virtual": ""},
    {"sites/site3/tables/virtual": OF_SITES["sites/site4/tables/virtual"]}, {"sites/site3/tables/transport": "a.b :"},
    {"sites/site3/tables/virtual.pcre": "/a/ b\n"}, {"sites/site3/tables/virtual": "# allow shadowed-row: a reason\n"},
    {"sites/site3/tables/virtual": "a.test\xa0-\n"}, {"sites/site3/README": "a.test\xa0-\n"},
    {"sites/site3/tables/virtual": "x" * 600 + " y\n"}, {"sites/site3/tables/sub/virtual": ""},
])  # fmt: skip
def test_a_table_of_many_sites_is_made_as_if_no_commit_had_been_read_before(change: dict[str, str]) -> None:
    after, fewer = {**BEFORE, **change}, {path: text for path, text in BEFORE.items() if "site7/" not in path}
    found = []
    for files in (BEFORE, after, fewer, BEFORE, after):
        forget()
        found.append(made(files))
    forget()

    assert [made(files) for files in (BEFORE, after, fewer, BEFORE, after)] == found
    assert found[0] == found[3]
    assert (found[0] == found[1]) == ("README" in next(iter(change)))


def test_what_is_of_no_kind_in_one_place_is_looked_at_in_another() -> None:
    marked = "a.test\xa0-\n"
    made({**BEFORE, "sites/site3/README": marked})

    files = {**BEFORE, "sites/site3/README": marked, "sites/site4/tables/virtual": marked}

    assert [one.where.file for one in load_findings(MAIL, files)] == ["sites/site4/tables/virtual"]


def test_one_name_with_two_types_is_refused() -> None:
    used = "hostname: a.b\nparameters: {x_maps: 'table:x'}\n"
    [told] = load_findings(used, {"tables/x": "", "tables/x.pcre": ""})

    assert told.rule == "ambiguous-table"


def test_a_table_that_a_value_of_any_host_or_service_names_is_used() -> None:
    files = {
        "tables/a": "", "tables/b.pcre": "", "tables/c": "", "tables/d": "",
        "hosts/other.yaml": "parameters: {smtpd_client_restrictions: 'check_client_access table:b'}\n",
        "master.d/x.cf": "2525 inet n - n - - smtpd\n  -o relay_clientcerts=lmdb:$config_directory/c\n",
    }  # fmt: skip
    found = load_commit("parameters: {mynetworks: 'table:a', smtpd_milter_maps: 'table:d'}\n", **files).findings

    assert [one.rule for one in found if one.rule == "unused-table"] == []


def test_a_table_that_no_value_names_and_that_almost_wires_itself_is_a_warning() -> None:
    files = {"tables/transports": "", "tables/alias": "", "tables/sender_access": "", "tables/generics": ""}
    used = "parameters: {smtp_generic_maps: 'table:generics'}\n"

    assert [one.text for one in load_commit(used, **files).findings] == [
        "nothing uses table alias; did you mean aliases, which is alias_maps?",
        "nothing uses table sender_access: no setting names table:sender_access",
        "nothing uses table transports; did you mean transport, which is transport_maps?",
    ]


def test_a_table_about_passwords_is_not_one_of_them() -> None:
    assert "password_reset_senders" in load_commit("hostname: a.b\n", **{"tables/password_reset_senders": ""}).tables
