"""What values name outside themselves: tables, programs, certificates and other files."""

from __future__ import annotations

import pytest

from reconciler.features.composition import compose
from reconciler.model import Contribution, Service, Where
from reconciler.postfix.references import (
    Reference,
    chains,
    names_table,
    offers_tls,
    own_name,
    paths_of,
    programs_of,
    read_at_start,
    table_inside,
    tables_in,
    tables_of,
)
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def merged(**parameters: str) -> Contribution:
    return compose(desired(parameters), HOST)


@pytest.mark.parametrize(
    ("word", "tables"),
    [
        ("hash:/etc/x", ["hash:/etc/x"]),
        ("proxy:mysql:/etc/m.cf", ["mysql:/etc/m.cf"]),
        ("pipemap:{pcre:/a, lmdb:/b}", ["pcre:/a", "lmdb:/b"]),
        ("{ hash:/etc/x, search_order=a }", ["hash:/etc/x"]),
        ("!cidr:/nets", ["cidr:/nets"]),
        ("/etc/list", []),
        ("mx.example", []),
    ],
)
def test_the_tables_of_a_word(word: str, tables: list[str]) -> None:
    assert [str(one) for one in tables_in(word)] == tables


def test_only_parameters_that_hold_tables_name_any_and_a_policy_server_is_none() -> None:
    scope = Scope(
        merged(
            smtpd_data_restrictions="check_policy_service unix:private/p, check_sender_access hash:/s",
            smtpd_banner="hash:/s", mynetworks="[::1]/128 cidr:/nets",
        ), HOST
    )  # fmt: skip
    found = {name: [str(one) for one in tables_of(scope, scope.merged.parameters[name])] for name in
             ("smtpd_data_restrictions", "smtpd_banner", "mynetworks")}  # fmt: skip

    assert found == {"smtpd_data_restrictions": ["hash:/s"], "smtpd_banner": [], "mynetworks": ["cidr:/nets"]}


@pytest.mark.parametrize(
    ("kind", "name", "source"),
    [
        ("inline", "{ {a = b c}, d=e }", b"a b c\nd e\n"),
        ("static", "{OK then}", b"* OK then\n"),
        ("pcre", "{{/a/ OK} {/b/ REJECT}}", b"/a/ OK\n/b/ REJECT\n"),
    ],
)
def test_a_table_inside_of_a_value_is_read_as_the_file_that_it_could_be(kind: str, name: str, source: bytes) -> None:
    table = table_inside(Reference(kind, name))

    assert table
    assert table.source == source
    assert table_inside(Reference("pcre", "/etc/x")) is None


@pytest.mark.parametrize(
    ("reference", "paths"),
    [
        (Reference("lmdb", "$config_directory/x"), ["/etc/postfix/x.lmdb"]),
        (Reference("dbm", "/etc/x"), ["/etc/x.pag", "/etc/x.dir"]),
        (Reference("pcre", "relative"), ["/var/spool/postfix/relative"]),
        (Reference("mysql", "/etc/m.cf"), ["/etc/m.cf"]),
        (Reference("static", "OK"), []),
        (Reference("inline", "{a=b}"), []),
    ],
)
def test_the_files_behind_a_table(reference: Reference, paths: list[str]) -> None:
    assert paths_of(reference, HOST) == paths


def test_a_file_of_the_configuration_is_known_by_its_name() -> None:
    names = ("$config_directory/x", "/etc/postfix/x", "/etc/postfix/sub/x", "/etc/x", "/etc/postfix-out/x")
    assert [own_name(name, "/etc/postfix") for name in names] == ["x", "x", None, None, None]
    assert [own_name(name, "/etc/postfix-out") for name in names] == ["x", None, None, None, "x"]


def test_programs_are_those_of_argv() -> None:
    arguments = ("user=vmail", "argv=/usr/bin/x", "-o", "{argv=/usr/bin/y -z}")
    service = Service(name="x", type="unix", command="pipe", arguments=arguments, where=Where("m"))

    assert programs_of(service) == ["/usr/bin/x", "/usr/bin/y"]


def test_certificates_and_texts_outside_are_read_as_a_process_starts() -> None:
    state = merged(smtpd_tls_cert_file="/etc/ssl/c", header_checks="pcre:/srv/h", virtual_alias_maps="lmdb:/srv/v")

    assert read_at_start(state, HOST) == {"/etc/ssl/c", "/srv/h"}


def test_a_certificate_loads_together_with_its_key_and_a_chain_by_itself() -> None:
    state = merged(smtpd_tls_cert_file="/c", smtpd_tls_key_file="/k", smtp_tls_chain_files="/a, /b")

    assert {("/c", "/k"), ("/a", "/b")} <= chains(state, HOST)


@pytest.mark.parametrize(
    ("parameters", "offered"),
    [({}, False), ({"smtpd_tls_security_level": "may"}, True), ({"smtpd_tls_security_level": "none"}, False),
     ({"smtpd_use_tls": "yes"}, True)],
)  # fmt: skip
def test_tls_is_offered_by_its_level_or_by_an_older_switch(parameters: dict[str, str], *, offered: bool) -> None:
    assert offers_tls(Scope(merged(**parameters), HOST)) is offered


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("x = hash:/etc/postfix/virtual\n", True), ("x = y, proxy:hash:$config_directory/virtual,z\n", True),
        ("  -o { x = hash:${config_directory}/virtual}\n", True), ("x = hash:virtual\n", True),
        ("x = hash:/etc/postfix/virtual.old\n", False), ("x = hash:/etc/postfix/old-virtual\n", False),
        ("x = lmdb:/etc/postfix/virtual\n", False), ("x = rehash:/etc/postfix/virtual\n", False),
    ],
)  # fmt: skip
def test_a_table_is_named_by_its_type_and_its_file(text: str, is_named: bool) -> None:
    assert names_table(text, "hash", "virtual") == is_named
