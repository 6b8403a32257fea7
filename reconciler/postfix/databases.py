"""The servers and sockets that the file of a table names: ldap_table(5), mysql_table(5), pgsql_table(5) and others.

Only addresses are returned, and only what looks like one: such a file also holds a password, and a commit may name a
file that is no such file. Pure; raises nothing.

Known limit: the client's own socket is known for MySQL on Debian alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.postfix.scopes import words

_KEYS = {
    "ldap": "server_host", "memcache": "memcache", "mysql": "hosts", "pgsql": "hosts", "sqlite": "dbpath",
    "mongodb": "uri",
}  # fmt: skip
_DEFAULTS = {"ldap": "localhost", "memcache": "inet:localhost:11211", "mysql": "localhost", "pgsql": "localhost"}
_URI = re.compile(r"(?P<scheme>[a-z]+)://(?:[^@/]*@)?(?P<place>[^/?]*)(?P<rest>.*)", re.ASCII)
_ADDRESS = re.compile(r"(?:inet:)?(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,255})(?::[0-9]{1,5})?", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9_./-]{1,107}", re.ASCII)
_MYSQL, _LOCALHOST = "/run/mysqld/mysqld.sock", "localhost"
_POSTGRESQL = ".s.PGSQL.5432"
_MOST = 3


class DatabaseServers(NamedTuple):
    """The *addresses* of servers, and the *paths* of sockets, or of the database itself."""

    addresses: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join((*self.addresses, *self.paths)[:_MOST])


def servers(kind: str, text: str) -> DatabaseServers:
    """Return the servers that the file of a table of that type names, with *text* as its content."""
    if kind not in _KEYS:
        return DatabaseServers()
    value = _value(_KEYS[kind], text) or _DEFAULTS.get(kind, "")
    found = [one for word in words(value) for one in _placed(kind, word)]
    paths = tuple(one for one in found if one.startswith("/"))
    return DatabaseServers(tuple(one for one in found if one not in paths), paths)


def _value(name: str, text: str) -> str:
    """Return the value of a setting; the last one counts, and a line that begins with a blank continues another."""
    value, is_it = "", False
    for line in split_lines(text):
        if line[:1] in {"#", ""}:
            continue
        if line[0] in SPACE:
            value += f" {line.strip(SPACE)}" if is_it else ""
            continue
        written, _, rest = line.partition("=")
        is_it = written.strip(SPACE) == name
        value = rest.strip(SPACE) if is_it else value
    return value


def _placed(kind: str, word: str) -> list[str]:
    """Return the address or the path that a word of the value names; empty for anything else."""
    if uri := _URI.fullmatch(word):
        word = uri["place"] if uri["scheme"] != "ldapi" else f"unix:{unquote(uri['place'])}"
    if word.startswith(("/", "unix:/")):
        path = word.removeprefix("unix:")
        path = f"{path}/{_POSTGRESQL}" if kind == "pgsql" else path
        return [path] if _PATH.fullmatch(path) else []
    if kind == "mysql" and word.removeprefix("inet:") == _LOCALHOST:
        return [_MYSQL]
    return [word.removeprefix("inet:")] if _ADDRESS.fullmatch(word) else []
