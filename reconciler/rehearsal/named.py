"""Find the files that a candidate names, and what stands in for those that not every user may read.

Pure: which of them others may read, the room finds out. Raises nothing.

Known limits: a file that only a program of master.cf knows, or only a file outside of the commit names, is not found.
Of alias tables only the first mebibyte is searched.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.postfix import sni
from reconciler.postfix.networks import NETWORK_LISTS
from reconciler.postfix.references import MADE, SUFFIXES, chains, own_name, paths_of, tables_of
from reconciler.postfix.scopes import CONFIG_DIRECTORY, Scope, scopes, words
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Facts

MOST = 4096
_LARGEST = 1 << 20
_PATH = re.compile(r"(?<![^\s,:={}!|\"])/[^\s,{}|;\"]+", re.ASCII)
_TABLE = re.compile(r"(?<![\w-])([a-z]{1,20}):(/[^\s,{}]+)", re.ASCII)
_FOLDERS = re.compile(r"_CApath\Z|\Acyrus_sasl_config_path\Z")
_LISTS = re.compile(r"\Amydestination\Z|\A(?:relay|virtual_alias|virtual_mailbox)_domains\Z")
_LOGINS = re.compile(r"_sasl_password_maps\Z")


def files(main: Scope) -> list[str]:
    """Return every absolute path in a value, in the arguments of a service, and in an alias table.

    What Postfix writes is left out.
    """
    paths = {path for path, is_there in main.facts.files.items() if is_there}
    paths |= set(main.facts.pems)
    for scope in scopes(main.merged, main.facts):
        texts = [expanded(scope, parameter.value) for parameter in scope.written]
        if scope.service:
            texts += [scope.service.command, *scope.service.arguments]
        paths |= {path for text in texts for path in _PATH.findall(text)}
    for table in main.merged.tables.values():
        if table.compiler == "postalias":
            paths |= set(islice(_PATH.findall(table.source[:_LARGEST].decode("utf-8", "replace")), MOST))
    named = {*paths, *compiled(main), *logins(main), *_of_types(main), *_more_of_types(main)}
    return sorted(named - logs(main) - caches(main))[:MOST]


def logs(main: Scope) -> set[str]:
    """Return Postfix's log files: a rehearsal has its own, because the lines of the host's are not the candidate's."""
    return {expanded(scope, scope.value("maillog_file")) for scope in scopes(main.merged, main.facts)}


def caches(main: Scope) -> set[str]:
    """Return the tables that Postfix writes: a rehearsal makes its own, because it can't write those of the host."""
    return {
        path
        for scope in scopes(main.merged, main.facts)
        for parameter in scope.written
        if MADE.search(parameter.name) and parameter.name != "alias_database"
        for reference in tables_of(scope, parameter)
        for path in paths_of(reference, main.facts)
    }


def expanded(scope: Scope, value: str) -> str:
    """Return a value as Postfix sees it, with the configuration directory in its place."""
    return (scope.expanded(value) or "").replace(CONFIG_DIRECTORY, _directory(scope.facts))


def folders(main: Scope) -> list[str]:
    """Return the folders whose files are read: certificates of authorities, settings of SASL, and types of tables."""
    values = (
        expanded(scope, parameter.value)
        for scope in scopes(main.merged, main.facts)
        for parameter in scope.written
        if _FOLDERS.search(parameter.name)
    )
    paths = {path for value in values for path in re.split(r"[:\s,]+", value, flags=re.ASCII)}
    return sorted({*_more_of_types(main), *(path for path in paths if path.startswith("/"))})


def _of_types(main: Scope) -> set[str]:
    """Return the lists of the types of tables that are installed: the candidate's, and that of Postfix's own programs.

    They are in the configuration directory, unless this is one more Postfix on the host with a directory of its own.
    """
    values = (main.value("meta_directory"), main.facts.parameters.get("meta_directory", ""))
    return {f"{expanded(main, value)}/dynamicmaps.cf" for value in values if value}


def _more_of_types(main: Scope) -> set[str]:
    return {f"{path}.d" for path in _of_types(main)}


def loaded_together(merged: Contribution, facts: Facts) -> list[list[str]]:
    """Return the files of each certificate and its key."""
    groups = {*chains(merged, facts), *(row.files for row in sni.rows(merged, facts))}
    return sorted([list(group) for group in groups if group and all(path.startswith("/") for path in group)])


def compiled(main: Scope) -> dict[str, tuple[str, str]]:
    """Return the type and the suffix of each table that is read in a compiled form, by its path."""
    found: dict[str, tuple[str, str]] = {}
    for scope in scopes(main.merged, main.facts):
        for parameter in scope.written:
            for reference in tables_of(scope, parameter):
                suffixes = [suffix for suffix in SUFFIXES.get(reference.type, ()) if suffix]
                found |= {
                    path: (reference.type, suffix)
                    for path, suffix in zip(paths_of(reference, main.facts), suffixes, strict=False)
                }
    return found


def tables_in(text: str) -> set[str]:
    """Return the files of the tables that a text names by absolute paths."""
    return {path + suffix for kind, path in _TABLE.findall(text) for suffix in SUFFIXES.get(kind, ())}


def logins(main: Scope) -> dict[str, str]:
    """Return what stands in the commit's own tables of logins instead: the same keys, another login."""
    secret = (table for table in main.merged.tables.values() if table.is_secret)
    return {
        f"{_directory(main.facts)}/{table.name}": "".join(f"{entry.key} user:stand-in\n" for entry in Entries(table))
        for table in secret
    }


def doubted(main: Scope) -> dict[str, str]:
    """Return the tables and lists that may be empty in a rehearsal and decide about mail, by the paths of their files.

    A table of logins decides nothing there, because no server of a rehearsal requires a login.
    """
    found: dict[str, str] = {}
    for scope in scopes(main.merged, main.facts):
        for parameter in scope.written:
            if MADE.search(parameter.name) or _LOGINS.search(parameter.name):
                continue
            for reference in tables_of(scope, parameter):
                if own_name(reference.name, main.facts.directory) not in main.merged.tables:
                    found |= {path: str(reference) for path in paths_of(reference, main.facts)}
            if parameter.name in NETWORK_LISTS or _LISTS.search(parameter.name):
                found |= {path: path for path in _plain(scope, parameter.value)}
    return found


def known(main: Scope, played: str) -> tuple[str | bytes, ...]:
    """Return the texts that a finding may quote: the commit without its secrets, the host's defaults, and the play."""
    values = [
        text
        for scope, value in _settings(main)
        for text in ((value, expanded(scope, value)) if "$" in value else (value,))
    ]
    defaults = [expanded(main, value) for value in main.facts.parameters.values()]
    contents = [table.source for table in main.merged.tables.values() if not table.is_secret]
    files = [made for made in main.merged.files.values() if not made.is_secret]
    contents += [made.content for made in files]
    here = [*map(str, main.facts.addresses), *main.facts.ports, *main.facts.users, main.facts.host]
    names = [*main.merged.tables, *(made.path for made in files)]
    return ("\n".join([*values, *defaults, *here, *names, *logins(main).values(), played]), *contents)


def _settings(main: Scope) -> Iterator[tuple[Scope, str]]:
    for scope in scopes(main.merged, main.facts):
        yield from ((scope, parameter.value) for parameter in scope.written)


def _plain(scope: Scope, value: str) -> Iterator[str]:
    """Yield the files that a list includes."""
    yield from (word.lstrip("!") for word in words(expanded(scope, value)) if word.lstrip("!").startswith("/"))


def _directory(facts: Facts) -> str:
    return facts.directory
