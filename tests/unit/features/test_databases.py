"""Tables on servers: their files in the commit, the secrets in them, and what is wrong about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.desired.lint import lint
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Desired, Secret
from reconciler.trees.render import render
from tests.unit.commits import file_tree, load_findings
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import HOST

SEALED = {"secrets/db.age": "age-encryption.org/v1\n-> X25519 x\n"}
MYSQL = """\
# the mailboxes
hosts = 127.0.0.1
user = postfix
password = !secret db
dbname = mail
query = SELECT goto FROM alias WHERE address = '%s'
"""
FACTS = replace(HOST, map_types=HOST.map_types | {"ldap", "mongodb", "mysql", "pgsql", "sqlite"})


def commit(mail: str, **files: str) -> Desired:
    return load(file_tree({"mail.yaml": mail} | SEALED | files), "mx1", {"db": Secret("db", "geheim")})


def test_a_description_is_rendered_with_its_secret_for_postfix_alone() -> None:
    state = commit("hostname: a.b\nparameters:\n  relay_domains: table:hosted\n", **{"tables/hosted.mysql": MYSQL})
    merged = compose(state, FACTS)

    file = render(merged, {})["hosted"]

    assert file.read() == MYSQL.replace("!secret db", "geheim").encode()
    assert (file.mode, file.owner, file.compiled) == (0o640, "root:postfix", "")
    assert merged.parameters["relay_domains"].value == "mysql:$config_directory/hosted"
    assert state.needed == {"db"}
    assert "hosted" not in merged.tables


def test_a_description_without_a_secret_can_be_read_by_all() -> None:
    text = "dbpath = /srv/mail.sqlite\nquery = SELECT 1 FROM d WHERE name = '%s'\n"
    state = commit("hostname: a.b\n", **{"tables/relay_domains.sqlite": text})

    made = compose(state, FACTS).files["relay_domains"]

    assert (made.mode, made.owner, made.content) == (0o644, "root:root", text.encode())


def test_a_well_known_name_takes_effect_by_itself_and_by_proxy() -> None:
    state = commit("hostname: a.b\n", **{"tables/virtual.mysql": MYSQL})
    assert compose(state, FACTS).parameters["virtual_alias_maps"].value == "mysql:$config_directory/virtual"
    mail = "hostname: a.b\nparameters:\n  virtual_alias_maps: proxy:table:virtual\n"
    state = commit(mail, **{"tables/virtual.mysql": MYSQL})
    assert compose(state, FACTS).parameters["virtual_alias_maps"].value == "proxy:mysql:$config_directory/virtual"


def description(kind: str, text: str, name: str = "people") -> tuple[dict[str, str], dict[str, str]]:
    return {"local_recipient_maps": f"table:{name}"}, {f"tables/{name}.{kind}": text, **SEALED}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("mysql", MYSQL),
        ("mysql", "option_file = /etc/mysql/postfix.cnf\nquery = SELECT 1\n"),
        ("mysql", "dbname = m\ntable = t\nselect_field = a\nwhere_field = b\npassword =\n"),
        ("pgsql", "hosts = postgresql://postfix@db.test/mail?sslmode=require\nquery = SELECT f('%s')\n"),
        ("pgsql", "dbname = m\nselect_function = my_user\n"),
        ("ldap", "server_host = ldap://l.test\nsearch_base = dc=test\nbind_pw = !secret db\nstart_tls = yes\n"),
        ("sqlite", "dbpath = /srv/x\nquery = SELECT a\n  FROM b\n"),
        ("mongodb", 'uri = mongodb://h\ndbname = d\ncollection = c\nquery_filter = {"a": "%s"}\nprojection = {}\n'),
        ("memcache", "memcache = inet:127.0.0.1:11211\n"),
    ],
)  # fmt: skip
def test_a_healthy_description_is_fine(kind: str, text: str) -> None:
    rules = ("unknown-lookup-parameter", "incomplete-definition", "plain-text-secret", "malformed-secret")
    assert not [one for rule in rules for one in findings_of(rule, *description(kind, text), FACTS)]


@pytest.mark.parametrize(
    ("kind", "text", "rule", "line", "words"),
    [
        ("mysql", MYSQL + "usr = x\n", "unknown-lookup-parameter", 7, "did you mean user?"),
        ("ldap", "search_base = x\nquery = y\n", "unknown-lookup-parameter", 2, "query"),
        ("mysql", MYSQL.replace("query", "#"), "incomplete-definition", 1, '"query"'),
        ("sqlite", "query = SELECT 1\n", "incomplete-definition", 1, '"dbpath"'),
        ("pgsql", "dbname = m\ntable = t\n", "incomplete-definition", 1, '"query"'),
        ("ldap", "server_host = x\n", "incomplete-definition", 1, '"search_base"'),
        ("mysql", MYSQL.replace("!secret db", "geheim"), "plain-text-secret", 4, "password = !secret people"),
        ("ldap", "search_base = x\nbind_pw = geheim\n", "plain-text-secret", 2, "secret set people"),
        ("pgsql", "hosts = postgresql://u:geheim@h/d\nquery = SELECT 1\n", "plain-text-secret", 1, "hosts"),
        ("mysql", MYSQL.replace("!secret db", "x !secret db"), "plain-text-secret", 4, "password"),
        ("mysql", MYSQL.replace("!secret db", "!secret db x"), "malformed-secret", 4, "nothing else"),
        ("mysql", MYSQL + "nonsense\n", "malformed-parameter", 7, "nonsense"),
    ],
)
def test_what_a_description_gets_wrong_is_refused_at_its_line(
    kind: str, text: str, rule: str, line: int, words: str
) -> None:
    (found,) = findings_of(rule, *description(kind, text), FACTS)

    assert (found.is_error, found.where.file, found.where.line) == (True, f"tables/people.{kind}", line)
    assert words in found.text
    assert "geheim" not in found.text


def test_a_secret_that_is_not_there_is_refused_at_its_line() -> None:
    (found,) = load_findings("hostname: a.b\n", {"tables/virtual.mysql": MYSQL})

    assert (found.rule, found.where.line) == ("missing-secret", 4)
    assert "reconciler secret set db" in found.text


def test_a_secret_of_two_lines_is_refused_and_never_rendered() -> None:
    files = file_tree({"mail.yaml": "hostname: a.b\n", "tables/virtual.mysql": MYSQL} | SEALED)
    state = load(files, "mx1", {"db": Secret("db", "a\nhosts = evil.test")})

    assert b"evil" not in compose(state, FACTS).files["virtual"].content


def test_a_site_can_not_add_to_a_table_on_a_server() -> None:
    files = {"tables/virtual.mysql": MYSQL, "sites/site3/tables/virtual.mysql": "a b\n", **SEALED}
    found = load_findings("hostname: a.b\n", files | {"sites/site3/site.yaml": "domains: [a.test]\n"})

    assert [(one.rule, one.where.file) for one in found] == [("invalid-table", "sites/site3/tables/virtual.mysql")]


def test_two_files_of_one_name_are_refused() -> None:
    found = load_findings("hostname: a.b\n", {"tables/virtual.mysql": MYSQL, "tables/virtual": "", **SEALED})
    assert [one.rule for one in found] == ["ambiguous-table"]
    parameters, files = description("mysql", MYSQL)
    assert "both tables/people.mysql and files/people" in only_finding(
        "ambiguous-file", parameters, {**files, "files/people": "x\n"}, FACTS
    )


def test_a_table_on_a_server_that_nothing_uses_is_a_warning() -> None:
    _, files = description("mysql", MYSQL)
    assert "table:people" in only_finding("unused-table", {}, files, FACTS)
    mail = "hostname: a.b\nparameters: {virtual_alias_maps: 'hash:/etc/aliases'}\n"
    state = commit(mail, **{"tables/virtual.mysql": MYSQL})
    left_out = [one for one in lint(state, FACTS, compose(state, FACTS)) if one.rule == "unused-table"]
    assert [one.where.file for one in left_out] == ["tables/virtual.mysql"]


def test_a_type_that_is_not_installed_names_its_package() -> None:
    assert "postfix-mysql" in only_finding("unknown-table-type", *description("mysql", MYSQL))
