"""What values name outside themselves: tables, certificates, keys and other files.

Existence is asked of two places only: the tables of the commit, and ``facts.files`` for absolute paths. A path that
the facts do not speak of is unknown, and nothing is said of it. mentioned_paths() lists the paths that will be asked
for. Raises nothing.

Known limit: tables that only a database client's own file names are not followed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Facts, Severity, Table
from reconciler.rules.networks import NETWORK_LISTS, problem_of
from reconciler.rules.restrictions import LISTS
from reconciler.rules.scopes import CONFIG_DIRECTORY, Scope, scopes, words
from reconciler.syntax import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Finding, Parameter, Service

TABLE_REFERENCE = re.compile(r"(?<![\w$./-])table:([A-Za-z0-9_.-]+)")
# What a type appends to the name that a value gives; types that are not here have no file of their own.
SUFFIXES: dict[str, tuple[str, ...]] = {
    "btree": (".db",), "cdb": (".cdb",), "cidr": ("",), "dbm": (".pag", ".dir"), "hash": (".db",), "lmdb": (".lmdb",),
    "pcre": ("",), "regexp": ("",), "sdbm": (".pag", ".dir"), "texthash": ("",),
}  # fmt: skip
CLIENTS = ("ldap", "memcache", "mongodb", "mysql", "pgsql", "sqlite")
_WITHOUT_FILE = (
    "environ", "fail", "inline", "internal", "netinfo", "nis", "nisplus", "pipemap", "proxy", "randmap", "socketmap",
    "static", "tcp", "unionmap", "unix", "debug",
)  # fmt: skip
KNOWN_TYPES = (*SUFFIXES, *CLIENTS, *_WITHOUT_FILE)
PACKAGED = frozenset({"cdb", "ldap", "lmdb", "mongodb", "mysql", "pcre", "pgsql", "sqlite"})
_TABLES = re.compile(
    r"_maps?\Z|_checks\Z|_domains\Z|_per_site\Z|_clientcerts\Z|_access_list\Z|_command_filter\Z|_status_filter\Z"
    r"|_reply_filter\Z|_database\Z|_auth_cache_name\Z|^mydestination\Z|^local_header_rewrite_clients\Z"
)
# Postfix makes these itself, or only lists what others name.
_MADE = re.compile(
    r"^address_verify_map\Z|^postscreen_cache_map\Z|^alias_database\Z|_session_cache_database\Z|_auth_cache_name\Z"
)
_DEFAULT_TYPES = frozenset({"default_cache_db_type", "default_database_type"})
_LISTING = frozenset({"proxy_read_maps", "proxy_write_maps"})
FILES = re.compile(
    r"_(?:tls|client)_(?:(?:d|ec)?(?:cert|key)_file|chain_files|CAfile|trust_anchor_file|dh(?:512|1024)_param_file)\Z"
)
_LISTS = re.compile(r"^mydestination\Z|^(?:relay|virtual_alias|virtual_mailbox)_domains\Z|^bounce_template_file\Z")
_SPOOL = "/var/spool/postfix"
_TYPE = re.compile(r"!*([A-Za-z][A-Za-z0-9_-]*):(.*)\Z", re.DOTALL)


class Reference(NamedTuple):
    """A table as a value names it: ``TYPE:NAME``."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every table that a value names can be opened, and every certificate is there."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            yield from _unresolved(scope, parameter)
            if parameter.name in _DEFAULT_TYPES:
                yield from _bad_type(scope, parameter, Reference((scope.expanded(parameter.value) or "").strip(), ""))
            for reference in tables_of(scope, parameter):
                yield from _bad_type(scope, parameter, reference)
                if not _MADE.search(parameter.name):
                    yield from _bad_name(scope, parameter, reference)
            if FILES.search(parameter.name):
                yield from _missing_files(scope, parameter)
            yield from _missing_lists(scope, parameter)


def mentioned_paths(merged: Contribution, facts: Facts) -> frozenset[str]:
    """The absolute paths whose existence the rules ask ``facts.files`` about; its own *files* need not be filled."""
    paths = {"/etc/aliases.db"}
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for reference in tables_of(scope, parameter):
                paths.update(paths_of(reference, facts))
            if FILES.search(parameter.name):
                paths.update(files_of(scope, parameter))
            paths.update(_lists(scope, parameter))
    for service in merged.entries:
        paths.update(programs_of(service))
    return frozenset(paths)


def programs_of(service: Service) -> list[str]:
    """The absolute paths of the programs that pipe(8) and spawn(8) run."""
    options = [word.strip("{} ") for word in service.arguments]
    argv = [option.removeprefix("argv=") for option in options if option.startswith("argv=")]
    return [path.split()[0] for path in argv if path.startswith("/")]


# ---- tables ----------------------------------------------------------------------------------------------------------


def tables_of(scope: Scope, parameter: Parameter) -> list[Reference]:
    """The tables that a setting names, those behind proxy: and inside pipemap: and unionmap: included."""
    if not holds_tables(scope, parameter.name):
        return []
    found: list[Reference] = []
    previous = ""
    for word in words(scope.expanded(parameter.value) or ""):
        if previous.lower() != "check_policy_service" and not problem_of(word):
            found += tables_in(word)
        previous = word
    return [reference for reference in found if reference.type != "table"]


def holds_tables(scope: Scope, name: str) -> bool:
    """Whether a parameter's value may name tables."""
    if name in LISTS or name in NETWORK_LISTS:
        return True
    if name in _LISTING:
        return False
    return bool(_TABLES.search(name)) or name in scope.words("smtpd_restriction_classes")


def tables_in(word: str) -> Iterator[Reference]:
    """The tables in one word of a list."""
    if word.startswith("{"):
        word = next(iter(words(word[1:-1])), "")
    match = _TYPE.match(word)
    if not match:
        return
    kind, name = match.groups()
    if kind in {"proxy", "debug"}:
        yield from tables_in(name)
    elif kind in {"pipemap", "unionmap"}:
        for inner in words(name.strip("{} \t\n")):
            yield from tables_in(inner)
    else:
        yield Reference(kind, name)


def table_inside(reference: Reference) -> Table | None:
    """The table that a value itself holds, between braces or as static:, as the file that it could have been."""
    kind, text = reference.type, reference.name
    if kind == "static":
        return Table(name=str(reference), type=kind, source=f"* {text.strip('{} ')}\n".encode(), file="")
    if kind not in {"cidr", "inline", "pcre", "regexp"} or not re.match(r"\{.*\}\Z", text, re.DOTALL):
        return None
    rows = [row[1:-1].strip() if row.startswith("{") else row for row in words(text[1:-1])]
    if kind == "inline":
        rows = [" ".join(map(str.strip, row.partition("=")[::2])) for row in rows]
    return Table(name=str(reference), type=kind, source="".join(f"{row}\n" for row in rows).encode(), file="")


def _unresolved(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for name in TABLE_REFERENCE.findall(parameter.value):
        hint = did_you_mean(name, scope.merged.tables)
        what = f'unknown table "table:{name}" in {parameter.name}: there is no tables/{name}{hint}'
        yield scope.finding("unknown-table", parameter, what, name)


def _bad_type(scope: Scope, parameter: Parameter, reference: Reference) -> Iterator[Finding]:
    kind = reference.type
    if kind in scope.facts.map_types or kind == "debug":
        return
    if kind in KNOWN_TYPES:
        hint = f"; install the package postfix-{kind}" if kind in PACKAGED else ""
        what = f'table type "{kind}" in {parameter.name} is not there: this Postfix can\'t open "{reference}"{hint}'
    else:
        hint = did_you_mean(kind, sorted(scope.facts.map_types))
        what = f'unknown table type "{kind}" in {parameter.name}: Postfix could not open "{reference}"{hint}'
    yield scope.finding("unknown-table-type", parameter, what, str(reference))


def _bad_name(scope: Scope, parameter: Parameter, reference: Reference) -> Iterator[Finding]:
    """Tables of the commit are known; of others the facts may say that they are missing."""
    if reference.name.startswith("{") or reference.type not in (*SUFFIXES, *CLIENTS):
        return
    own = own_name(reference.name)
    table = scope.merged.tables.get(own) if own else None
    if table and table.type == reference.type:
        return
    there = [scope.facts.files.get(path) for path in paths_of(reference, scope.facts)]
    if own and reference.type in SUFFIXES and not all(there):
        if table:
            hint = f"; did you mean table:{own}, which is of type {table.type}?"
        else:
            hint = did_you_mean(own, scope.merged.tables)
        what = f'unknown table "{reference}" in {parameter.name}: no tables/{own} of that type, and lookups fail{hint}'
        yield scope.finding("unknown-table", parameter, what, str(reference))
    elif False in there:
        gone = ", ".join(_gone(reference, scope.facts))
        what = f'missing table "{reference}" in {parameter.name}: {gone} is not there, and lookups fail'
        yield scope.finding("missing-file", parameter, what, str(reference), lasting=False)
    elif reference.type in SUFFIXES and not _is_place(reference.name) and not all(there):
        hint = f"; did you mean table:{reference.name}?" if reference.name in scope.merged.tables else ""
        what = f'table "{reference}" in {parameter.name} has no absolute path: Postfix would look in its spool{hint}'
        yield scope.finding("unknown-table", parameter, what, str(reference))


def _is_place(name: str) -> bool:
    return name.startswith(("/", "$"))


def own_name(name: str) -> str | None:
    """The file's name, when it lies in the configuration's own directory."""
    for directory in (CONFIG_DIRECTORY, "/etc/postfix"):
        rest = name.removeprefix(f"{directory}/")
        if rest != name and "/" not in rest:
            return rest
    return None


def paths_of(reference: Reference, facts: Facts) -> list[str]:
    """The files behind a table; none for what needs no file."""
    directory = facts.parameters.get("config_directory", "/etc/postfix")
    name = reference.name.replace(CONFIG_DIRECTORY, directory)
    if name.startswith("{"):
        return []
    if reference.type in CLIENTS:
        return [name] if name.startswith("/") else []
    name = name if name.startswith("/") else f"{_SPOOL}/{name}"
    return [name + suffix for suffix in SUFFIXES.get(reference.type, ())]


def _gone(reference: Reference, facts: Facts) -> list[str]:
    return [path for path in paths_of(reference, facts) if facts.files.get(path) is False]


# ---- certificates and keys -------------------------------------------------------------------------------------------


def read_at_start(merged: Contribution, facts: Facts) -> frozenset[str]:
    """The files outside that a process reads as it starts and never again: certificates, keys, and tables of text."""
    paths: set[str] = set()
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if FILES.search(parameter.name):
                paths.update(files_of(scope, parameter))
            texts = [one for one in tables_of(scope, parameter) if SUFFIXES.get(one.type) == ("",)]
            paths.update(path for one in texts if own_name(one.name) is None for path in paths_of(one, facts))
    return frozenset(paths)


def chains(merged: Contribution, facts: Facts) -> frozenset[tuple[str, ...]]:
    """The files that must load together: each certificate with its key, and the files of each chain."""
    found = set()
    for scope in scopes(merged, facts):
        if scope.service and not any(FILES.search(parameter.name) for parameter in scope.written):
            continue
        for prefix in ("smtpd_tls", "smtp_tls", "lmtp_tls", "tlsproxy_client"):
            for kind in ("", "d", "ec"):
                pair = (scope.value(f"{prefix}_{kind}{what}_file") for what in ("cert", "key"))
                found.add(tuple(dict.fromkeys(pair)))
            found.add(tuple(scope.words(f"{prefix}_chain_files")))
    return frozenset(files for files in found if files and all(path.startswith("/") for path in files))


def files_of(scope: Scope, parameter: Parameter) -> list[str]:
    """The absolute paths in a setting."""
    return [word for word in words(scope.expanded(parameter.value) or "") if word.startswith("/")]


def _missing_files(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    used = not parameter.name.startswith("smtpd_") or any(map(offers_tls, scopes(scope.merged, scope.facts)))
    for path in files_of(scope, parameter):
        if scope.facts.files.get(path) is False:
            then = "STARTTLS would fail" if used else "nothing uses it yet"
            what = f'missing file "{path}" in {parameter.name}: it is not there or can\'t be read, and {then}'
            severity = Severity.ERROR if used else Severity.WARNING
            yield scope.finding("missing-file", parameter, what, path, severity=severity, lasting=False)


def _lists(scope: Scope, parameter: Parameter) -> list[str]:
    """Plain files: the lists that others include, and the templates of bounces."""
    if parameter.name in NETWORK_LISTS or _LISTS.search(parameter.name):
        named = [word.lstrip("!") for word in words(scope.expanded(parameter.value) or "")]
        return [word for word in named if word.startswith("/")]
    return []


def _missing_lists(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    then = "bounces would wait" if parameter.name == "bounce_template_file" else "Postfix would answer 451 to everybody"
    for path in _lists(scope, parameter):
        if scope.facts.files.get(path) is False:
            what = f'missing file "{path}" in {parameter.name}: it is not there or can\'t be read, and {then}'
            yield scope.finding("missing-file", parameter, what, path, lasting=False)


def offers_tls(scope: Scope) -> bool:
    """Whether smtpd offers TLS here."""
    level = scope.value("smtpd_tls_security_level").lower()
    flags = ("smtpd_use_tls", "smtpd_enforce_tls", "smtpd_tls_wrappermode")
    return level not in {"", "none"} or any(map(scope.is_on, flags))


EXPLAINED = {
    "unknown-table": (
        "A setting names a table that the commit does not have. Every lookup would fail, and Postfix answers 451. "
        "Add tables/NAME, or correct the name; table:NAME finds the type by itself."
    ),
    "unknown-table-type": (
        "A setting names a type of table that this Postfix can't open. Every lookup would fail, and Postfix "
        "answers 451. Install the package that brings it, or use another type."
    ),
    "missing-file": (
        "A setting names a file that is not on this host, or that can't be read. A missing table or list makes "
        "Postfix answer 451; a missing certificate makes STARTTLS fail. Put the file there first, or correct its "
        "path. This is judged anew at every pass."
    ),
}
