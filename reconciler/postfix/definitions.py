"""The parameters of the files that describe tables on servers: mysql_table(5), ldap_table(5) and others.

Such a file is read like main.cf, without names that are expanded. The clients ignore a parameter that they do not know.
Pure text; raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE
from reconciler.postfix.syntax import read_main
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Parameter

_COMMON = names("domain expansion_limit result_format")
_SQL = _COMMON | names("additional_conditions query select_field table where_field")
_SERVER = _SQL | names("dbname hosts idle_interval password retry_interval user")
PARAMETERS: Mapping[str, frozenset[str]] = {
    "ldap": _COMMON | names(
        """
        bind bind_dn bind_pw cache cache_expiry cache_size chase_referrals debuglevel dereference leaf_result_attribute
        query_filter recursion_limit result_attribute result_filter sasl_authz_id sasl_mechs sasl_minssf sasl_realm
        scope search_base server_host server_port size_limit special_result_attribute start_tls
        terminal_result_attribute timeout tls_ca_cert_dir tls_ca_cert_file tls_cert tls_cipher_suite tls_key
        tls_random_file tls_require_cert version
        """
    ),
    "memcache": names(
        """
        backup data_size_limit domain flags key_format line_size_limit max_try memcache retry_pause timeout ttl
        """
    ),
    "mongodb": _COMMON | names("collection dbname projection query_filter result_attribute uri"),
    "mysql": _SERVER | names(
        """
        charset option_file option_group require_result_set tls_CAfile tls_CApath tls_cert_file tls_ciphers
        tls_key_file tls_verify_cert
        """
    ),
    "pgsql": _SERVER | names("encoding select_function"),
    "sqlite": _SQL | names("dbpath"),
}  # fmt: skip
PASSWORDS = frozenset({"bind_pw", "password"})
_LEGACY = ("table", "select_field", "where_field")
_NEEDED = {"ldap": ("search_base",), "mongodb": ("uri", "dbname", "collection", "query_filter"), "mysql": ("dbname",),
           "sqlite": ("dbpath",)}  # fmt: skip
_QUERIED = frozenset({"mysql", "pgsql", "sqlite"})
_WITH_LOGIN = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://[^\s/@:]*:(?P<password>[^\s/@]+)@", re.ASCII | re.IGNORECASE
)
_LINE = re.compile(rb"^(?P<name>[A-Za-z0-9_]+)[ \t]*=[ \t]*(?P<value>[^\n]*)$", re.MULTILINE)
_READS = re.compile(r"\(*\s*(?:select|with|values)\b", re.ASCII | re.IGNORECASE)


def missing(kind: str, settings: Mapping[str, Parameter]) -> Iterator[str]:
    """Yield the parameters without which a table of that type answers no look-up."""
    given = {name for name, setting in settings.items() if setting.value}
    yield from (name for name in _NEEDED.get(kind, ()) if name not in given and not _in_options(name, given))
    is_old = given.issuperset(_LEGACY) or (kind == "pgsql" and "select_function" in given)
    if kind in _QUERIED and "query" not in given and not is_old:
        yield "query"


def _in_options(name: str, given: set[str]) -> bool:
    """Return whether a file of the client's own options may give the parameter."""
    return name == "dbname" and "option_file" in given


def is_password(name: str, value: str) -> bool:
    """Return whether the value of a parameter is a password, or a URI with one."""
    return bool(value) and (name in PASSWORDS or has_login(value))


def has_login(value: str) -> bool:
    """Return whether a value is or holds a URI with a password; a ``$name`` in its place is none."""
    return any(not match["password"].startswith("$") for match in _WITH_LOGIN.finditer(value))


def only_reads(kind: str, settings: Mapping[str, Parameter]) -> bool:
    """Return whether a look-up can't change what the server keeps, as far as its text shows."""
    query = settings.get("query")
    return kind not in _QUERIED or query is None or bool(_READS.match(query.value.strip(SPACE)))


def is_definition(content: bytes) -> bool:
    """Return whether a file describes a table on a server of any type."""
    settings, unreadable = read_main(content.decode("utf-8", "surrogateescape"), "")
    return bool(settings) and not unreadable and any(settings.keys() <= known for known in PARAMETERS.values())


def with_passwords_of(content: bytes, other: bytes) -> bytes:
    """Return a description with the passwords of another one, of the parameters that both have."""
    given = {match["name"]: match[0] for match in _passwords(other)}
    for match in reversed(list(_passwords(content))):
        content = content[: match.start()] + given.get(match["name"], match[0]) + content[match.end() :]
    return content


def _passwords(content: bytes) -> list[re.Match[bytes]]:
    """Return the lines that set a password."""
    lines = _LINE.finditer(content)
    return [one for one in lines if is_password(one["name"].decode(), one["value"].decode("utf-8", "replace"))]
