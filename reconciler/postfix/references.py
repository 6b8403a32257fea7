"""The tables, programs and files that values name, found from the text alone. Raises nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Facts, Table, in_tls, reading, taking_mail
from reconciler.model.ascii_text import SPACE, split_words
from reconciler.postfix.networks import NETWORK_LISTS, problem_of
from reconciler.postfix.restrictions import LISTS, smtpd_scopes
from reconciler.postfix.scopes import CONFIG_DIRECTORY, FILE, Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model import Contribution, Parameter, Service

TABLE_REFERENCE = re.compile(r"(?<![\w$./-])table:([A-Za-z0-9_.-]+)", re.ASCII)
# The suffixes that a type appends to the name in a value; types that are not here have no file.
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
# Postfix creates these tables itself.
MADE = re.compile(
    r"^address_verify_map\Z|^postscreen_cache_map\Z|^alias_database\Z|_session_cache_database\Z|_auth_cache_name\Z"
)
# These only list tables that other parameters name.
LISTING = frozenset({"proxy_read_maps", "proxy_write_maps"})
FILES = re.compile(
    r"_(?:tls|client)_(?:(?:d|ec)?(?:cert|key)_file|chain_files|CAfile|trust_anchor_file|dh(?:512|1024)_param_file)\Z"
)
_LIST_FILES = re.compile(r"^mydestination\Z|^(?:relay|virtual_alias|virtual_mailbox)_domains\Z|^bounce_template_file\Z")
# Beside smtpd's own settings, those that decide at RCPT whether mail is taken.
_AT_RECIPIENT = frozenset({
    "alias_maps", "canonical_maps", "local_recipient_maps", "mydestination", "mynetworks", "recipient_canonical_maps",
    "relay_domains", "relay_recipient_maps", "relocated_maps", "transport_maps", "virtual_alias_domains",
    "virtual_alias_maps", "virtual_mailbox_domains", "virtual_mailbox_maps",
})  # fmt: skip
RESOLVERS = "/etc/resolv.conf"
_WITHOUT_TABLES = "anvil"  # a program that asks no table at all
_SPOOL = "/var/spool/postfix"
_TYPE = re.compile(r"!*([A-Za-z][A-Za-z0-9_-]*):(.*)\Z", re.DOTALL)


class Reference(NamedTuple):
    """A reference to a table in a value: ``TYPE:NAME``."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


def programs_of(service: Service) -> list[str]:
    """Return the absolute paths of the programs that pipe(8) and spawn(8) run."""
    options = [word.strip("{} ") for word in service.arguments]
    argv = [option.removeprefix("argv=") for option in options if option.startswith("argv=")]
    return [split_words(path)[0] for path in argv if path.startswith("/")]


# ---- tables ----------------------------------------------------------------------------------------------------------


def tables_of(scope: Scope, parameter: Parameter) -> list[Reference]:
    """Return the tables that a setting names, including those in proxy:, pipemap: and unionmap: tables."""
    if not (":" in parameter.value or "$" in parameter.value) or not holds_tables(scope, parameter.name):
        return []  # most settings name none, of which large hosts have many
    references: list[Reference] = []
    previous = ""
    for word in words(scope.expanded(parameter.value) or ""):
        # A policy server (inet:HOST:PORT) and an IPv6 network without brackets look like TYPE:NAME, but are no tables.
        if previous.lower() != "check_policy_service" and not problem_of(word):
            references += tables_in(word)
        previous = word
    return [reference for reference in references if reference.type != "table"]


def holds_tables(scope: Scope, name: str) -> bool:
    """Return whether the value of a parameter may name tables."""
    if name in LISTS or name in NETWORK_LISTS:
        return True
    if name in LISTING:
        return False
    return bool(_TABLES.search(name)) or name in scope.words("smtpd_restriction_classes")


def tables_in(word: str) -> Iterator[Reference]:
    """Yield the tables in one word of a list."""
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


def names_table(text: str, kind: str, name: str) -> bool:
    """Return whether main.cf or master.cf names a table of that type, in any folder."""
    named = re.findall(rf"(?<![\w-]){kind}:([^\s,;]*)", text, re.ASCII)
    return any(one.rpartition("/")[2].strip("{}") == name for one in named)


def table_inside(reference: Reference) -> Table | None:
    """Return the table that a value contains, in braces or as static:, in the form of a table file."""
    kind, text = reference.type, reference.name
    if kind == "static":
        return Table(name=str(reference), type=kind, source=f"* {text.strip('{} ')}\n".encode(), file="")
    if kind not in {"cidr", "inline", "pcre", "regexp"} or not re.match(r"\{.*\}\Z", text, re.DOTALL):
        return None
    rows = [row[1:-1].strip(SPACE) if row.startswith("{") else row for row in words(text[1:-1])]
    if kind == "inline":
        rows = [" ".join(map(str.strip, row.partition("=")[::2])) for row in rows]
    return Table(name=str(reference), type=kind, source="".join(f"{row}\n" for row in rows).encode(), file="")


def own_name(name: str, directory: str) -> str | None:
    """Return the name of a file in the configuration directory itself, or None for another file."""
    rest = file_below(name, directory)
    return rest if rest is not None and "/" not in rest else None


def file_below(name: str, directory: str) -> str | None:
    """Return the path of a file below the configuration directory, or None for another file."""
    for place in (CONFIG_DIRECTORY, directory):
        rest = name.removeprefix(f"{place}/")
        if rest != name:
            return rest
    return None


def paths_of(reference: Reference, facts: Facts) -> list[str]:
    """Return the files of a table; a table that needs no file has none."""
    directory = facts.directory
    name = reference.name.replace(CONFIG_DIRECTORY, directory)
    if name.startswith("{"):
        return []
    if reference.type in CLIENTS:
        return [name] if name.startswith("/") else []
    name = name if name.startswith("/") else f"{_SPOOL}/{name}"
    return [name + suffix for suffix in SUFFIXES.get(reference.type, ())]


def lists_of(scope: Scope, parameter: Parameter) -> list[str]:
    """Return plain files: the lists that other lists include, and the templates of bounces."""
    if parameter.name in NETWORK_LISTS or _LIST_FILES.search(parameter.name):
        return _paths(scope, parameter)
    return []


def _paths(scope: Scope, parameter: Parameter) -> list[str]:
    """Return the absolute paths among the words of a value."""
    directory = scope.facts.directory
    named = (word.lstrip("!") for word in words(scope.expanded(parameter.value) or ""))
    return [word.replace(CONFIG_DIRECTORY, directory, 1) for word in named if word.startswith(FILE)]


def named_tables(merged: Contribution, facts: Facts) -> frozenset[tuple[str, tuple[str, ...]]]:
    """Return the tables of installed types and the lists, each with its files."""
    found: set[tuple[str, tuple[str, ...]]] = set()
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            references = (one for one in tables_of(scope, parameter) if one.type in facts.map_types)
            found |= {(str(one), tuple(paths_of(one, facts))) for one in references}
            found |= {(path, (path,)) for path in lists_of(scope, parameter)}
    if any(service.chroot == "y" for service in merged.distinct):
        path = names_in_jail(merged, facts)
        found.add((path, (path,)))
    return frozenset(found)


def names_in_jail(merged: Contribution, facts: Facts) -> str:
    """Return the list of name servers that a program in the chroot reads."""
    return Scope(merged, facts).value("queue_directory") + RESOLVERS


def looking_up(scope: Scope, parameter: Parameter, table: str) -> frozenset[str]:
    """Return who could not work without a table of this setting after its next start, for Finding.starts.

    If smtpd reads it, these are its services, which would take no mail: asking them shows that.
    """
    name = parameter.name
    classes = scope.words("smtpd_restriction_classes")
    if not (name.startswith("smtpd_") or name in _AT_RECIPIENT or name in classes):
        return _programs_with(scope, parameter, table)
    readers = (one for one in _smtpd_within(scope) if one.parameter(name) == parameter)
    return frozenset(taking_mail(one.service.key, table) for one in readers if one.service)


def _smtpd_within(scope: Scope) -> Sequence[Scope]:
    """Return the scopes of smtpd that a setting of this scope may hold in: that of its own service, or all."""
    if scope.service:
        return [scope] if scope.service.command == "smtpd" else []
    return smtpd_scopes(scope.merged, scope.facts)


def _programs_with(scope: Scope, parameter: Parameter, file: str) -> frozenset[str]:
    """Return the programs but smtpd that read a file of this setting when they start, for Finding.starts.

    A name that every program holds, because Postfix's library declares it, does not say who reads the file.
    """
    reads = scope.facts.reads
    if parameter.name in reads.get(_WITHOUT_TABLES, ()):
        return frozenset()
    services = [scope.service] if scope.service else scope.merged.distinct
    found = {one.command for one in services if parameter.name in reads.get(one.command, ())} - {"smtpd"}
    found |= {"proxymap"} if f"proxy:{file}" in parameter.value else set()
    return frozenset(reading(one, file) for one in found)


# ---- certificates and keys -------------------------------------------------------------------------------------------


def read_at_start(merged: Contribution, facts: Facts) -> frozenset[str]:
    """Return the outside files that a process reads only at its start: certificates, keys, and text tables."""
    paths: set[str] = set()
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if FILES.search(parameter.name):
                paths.update(files_of(scope, parameter))
            for reference in tables_of(scope, parameter):
                if SUFFIXES.get(reference.type) == ("",) and own_name(reference.name, facts.directory) is None:
                    paths.update(paths_of(reference, facts))
    return frozenset(paths)


def chains(merged: Contribution, facts: Facts) -> frozenset[tuple[str, ...]]:
    """Return the groups of files that must match: each certificate with its key, and the files of each chain."""
    groups = set()
    for scope in scopes(merged, facts):
        if scope.service and not any(FILES.search(parameter.name) for parameter in scope.written):
            continue
        for prefix in ("smtpd_tls", "smtp_tls", "lmtp_tls", "tlsproxy_client"):
            for kind in ("", "d", "ec"):
                pair = (scope.value(f"{prefix}_{kind}{what}_file") for what in ("cert", "key"))
                groups.add(tuple(dict.fromkeys(pair)))
            groups.add(tuple(scope.words(f"{prefix}_chain_files")))
    return frozenset(files for files in groups if files and all(path.startswith("/") for path in files))


def files_of(scope: Scope, parameter: Parameter) -> list[str]:
    """Return the absolute paths in a setting."""
    return _paths(scope, parameter)


def showing(scope: Scope, parameter: Parameter, path: str) -> frozenset[str]:
    """Return who loads the certificates of this setting when it starts, for Finding.starts; for smtpd its services."""
    if not parameter.name.startswith("smtpd_"):
        return _programs_with(scope, parameter, path)
    readers = (one for one in _smtpd_within(scope) if offers_tls(one))
    loading = (one for one in readers if one.parameter(parameter.name) == parameter)
    return frozenset(in_tls(one.service.key) for one in loading if one.service)


def offers_tls(scope: Scope) -> bool:
    """Return whether smtpd offers TLS in this scope."""
    level = scope.value("smtpd_tls_security_level").lower()
    flags = ("smtpd_use_tls", "smtpd_enforce_tls", "smtpd_tls_wrappermode")
    return level not in {"", "none"} or any(map(scope.is_on, flags))
