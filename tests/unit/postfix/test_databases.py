"""The servers that the file of a table names, and nothing else of it."""

from __future__ import annotations

import pytest

from reconciler.postfix.databases import servers

SECRET = "password = s3cret\nuser = mail\nbind_pw = s3cret\n"


@pytest.mark.parametrize(
    ("kind", "line", "addresses", "paths"),
    [
        ("mysql", "hosts = 127.0.0.1 inet:db.example:3307", ("127.0.0.1", "db.example:3307"), ()),
        ("mysql", "hosts = unix:/srv/my.sock", (), ("/srv/my.sock",)),
        ("mysql", "hosts = localhost", (), ("/run/mysqld/mysqld.sock",)),  # libmysqlclient uses its socket
        ("mysql", "", (), ("/run/mysqld/mysqld.sock",)),
        ("mysql", "hosts = one\n  two,\n# a comment\n\n\tthree", ("one", "two", "three"), ()),
        ("mysql", "hosts = first\nhosts = last", ("last",), ()),
        ("pgsql", "hosts = localhost", ("localhost",), ()),
        ("pgsql", "hosts = unix:/run/postgresql", (), ("/run/postgresql/.s.PGSQL.5432",)),
        ("pgsql", "hosts = postgresql://mail:s3cret@db.example:5433/mail?sslmode=require", ("db.example:5433",), ()),
        ("ldap", "server_host = ldap://[2001:db8::1]:389 ldaps://b.example", ("[2001:db8::1]:389", "b.example"), ()),
        ("ldap", "server_host = ldapi://%2Frun%2Fslapd%2Fldapi", (), ("/run/slapd/ldapi",)),
        ("sqlite", "dbpath = /srv/mail.db", (), ("/srv/mail.db",)),
        ("memcache", "", ("localhost:11211",), ()),
        ("cdb", "hosts = one", (), ()),
    ],
)
def test_addresses_and_paths_are_found(
    kind: str, line: str, addresses: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    found = servers(kind, f"{SECRET}{line}\n{SECRET}")
    assert (found.addresses, found.paths) == (addresses, paths)
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "hosts = $6$salt$hash:19000:0:99999:7:::\n",
        "hosts = password=s3cret\n",
        "hosts = user:s3cret@db\n",
        "root:$6$salt$hash:19000:0:99999:7:::\n",
        "hosts = unix:/../$(id)\n",
    ],
)
def test_what_looks_like_no_address_is_not_shown(text: str) -> None:
    assert str(servers("pgsql", text)) in {"", "localhost"}


def test_some_of_many_are_shown() -> None:
    assert str(servers("mysql", "hosts = a b c d e\n")) == "a, b, c"
