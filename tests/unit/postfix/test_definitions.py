"""The descriptions of tables on servers: what they need, which values are passwords, and how these are exchanged."""

from __future__ import annotations

import pytest

from reconciler.postfix.definitions import has_login, is_definition, missing, only_reads, with_passwords_of
from reconciler.postfix.syntax import read_main


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("postgresql://u:geheim@h/d", True),
        ("mongodb+srv://u:geheim@h", True),
        ("x inet:127.0.0.1, https://u:p@h/", True),
        ("postgresql://u@h:5432/d", False),
        ("postgresql://u:$password@h/d", False),
        ("ldap://h:389/", False),
        ("/etc/postfix/a:b@c", False),
        ("check_x hash://a b:c@d", False),
    ],
)
def test_a_login_in_a_uri_is_a_password(value: str, is_one: bool) -> None:
    assert has_login(value) is is_one


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        ("mysql", "", ["dbname", "query"]),
        ("mysql", "option_file = /x\nquery = y\n", []),
        ("pgsql", "select_function = f\n", []),
        ("mongodb", "uri = x\ndbname =\n", ["dbname", "collection", "query_filter"]),
        ("memcache", "", []),
    ],
)
def test_what_a_look_up_needs(kind: str, text: str, names: list[str]) -> None:
    assert list(missing(kind, read_main(text, "")[0])) == names


@pytest.mark.parametrize(
    ("kind", "query", "reads"),
    [
        ("mysql", "SELECT a FROM b", True),
        ("pgsql", "with x as (select 1) select * from x", True),
        ("sqlite", "(SELECT 1)", True),
        ("mysql", "DELETE FROM b", False),
        ("mysql", "CALL f('%s')", False),
        ("mysql", "selected", False),
    ],
)
def test_only_a_question_that_changes_nothing_may_be_asked_early(kind: str, query: str, reads: bool) -> None:
    assert only_reads(kind, read_main(f"query = {query}\n", "")[0]) is reads


def test_a_description_keeps_its_question_and_gets_the_password_of_another_one() -> None:
    old = b"user = a\npassword = old\nquery = SELECT 1\nhosts = postgresql://u:old@h/d\n"
    new = b"password=new\nquery = SELECT 2\nhosts = postgresql://u:new@h/d\n"

    assert with_passwords_of(old, new) == b"user = a\npassword=new\nquery = SELECT 1\nhosts = postgresql://u:new@h/d\n"
    assert with_passwords_of(old, b"query = x\n") == old


def test_what_is_a_description() -> None:
    assert is_definition(b"# x\ndbpath = /x\nquery = a\n  b\n")
    for text in (b"", b"[relay]:587 user:pass\n", b"pwcheck_method: auxprop\n", b"-----BEGIN PRIVATE KEY-----\nMII=\n"):
        assert not is_definition(text)
