"""The tables, certificates, keys and other files that values refer to must exist.

Two sources decide whether something exists: the tables of the commit, and ``facts.files`` for absolute paths. A path
that the facts do not contain is unknown, and gets no finding. mentioned() lists the paths that the facts should
contain. Raises nothing.

Known limit: the rules do not follow tables that only the configuration file of a database client names.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Facts, Mentioned, Severity, did_you_mean, meant
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.references import (
    CLIENTS,
    FILES,
    KNOWN_TYPES,
    LISTING,
    MADE,
    PACKAGED,
    SUFFIXES,
    TABLE_REFERENCE,
    Reference,
    files_of,
    lists_of,
    looking_up,
    offers_tls,
    own_name,
    paths_of,
    showing,
    tables_of,
)
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Finding, Parameter

_ALL_TABLES = re.compile(r"_maps?\Z|_checks\Z")
_DEFAULT_TYPES = frozenset({"default_cache_db_type", "default_database_type"})

_OF_PASSWORDS = "_password_maps"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that Postfix can open each table that a value names, and that each certificate exists."""
    in_use = any(map(offers_tls, scopes(merged, facts)))
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            yield from _unresolved(scope, parameter)
            if parameter.name in _DEFAULT_TYPES:
                yield from _bad_type(
                    scope, parameter, Reference((scope.expanded(parameter.value) or "").strip(SPACE), "")
                )
            for reference in tables_of(scope, parameter):
                named = () if MADE.search(parameter.name) else _bad_name(scope, parameter, reference)
                if found := (*_bad_type(scope, parameter, reference), *named):
                    starts = looking_up(scope, parameter, str(reference))
                    yield from (replace(one, starts=starts) for one in found)
            if FILES.search(parameter.name):
                yield from _missing_files(scope, parameter, in_use=in_use or not parameter.name.startswith("smtpd_"))
            yield from _missing_lists(scope, parameter)
            yield from _untyped(scope, parameter)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the absolute paths of tables, certificates and lists."""
    paths: set[str] = set()
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for reference in tables_of(scope, parameter):
                paths.update(paths_of(reference, facts))
            if FILES.search(parameter.name):
                paths.update(files_of(scope, parameter))
            paths.update(lists_of(scope, parameter))
    return Mentioned(paths=frozenset(paths))


def _unresolved(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for name in TABLE_REFERENCE.findall(parameter.value):
        hint = did_you_mean(name, scope.merged.tables)
        what = f'unknown table "table:{name}" in {parameter.name}: there is no tables/{name}{hint}'
        yield scope.finding("unknown-table", parameter, what, name)


def _untyped(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    """Yield a word of a list of tables that is not TYPE:NAME, which Postfix can't open."""
    if (
        not _ALL_TABLES.search(parameter.name)
        or parameter.name in LISTING
        or parameter.name not in scope.facts.parameters
    ):
        return
    before = ""
    for word in words(scope.expanded(parameter.value) or ""):
        if word.endswith(":") and word[:-1] in {"table", *KNOWN_TYPES}:
            before = word
            continue
        if before or (":" not in word and not word.startswith("{")):
            own = word.rpartition("/")[2]
            known = own in scope.merged.tables and (not before or before == "table:")
            likely = f"table:{own}" if known else f"{before}{word}" if before else ""
            hint = meant(likely) or did_you_mean(own, scope.merged.tables) or "; write table:NAME"
            what = f'{parameter.name}: expected TYPE:NAME, got "{before and before + " "}{word}": lookups fail{hint}'
            yield scope.finding("unknown-table", parameter, what, word)
        before = ""


def _bad_type(scope: Scope, parameter: Parameter, reference: Reference) -> Iterator[Finding]:
    kind = reference.type
    if kind in scope.facts.map_types or kind == "debug":
        return
    named = f"{kind}:..." if parameter.name.endswith(_OF_PASSWORDS) else str(reference)
    if kind in KNOWN_TYPES:
        hint = f"; install the package postfix-{kind}" if kind in PACKAGED else ""
        what = f'table type "{kind}" in {parameter.name} is not installed: this Postfix can\'t open "{named}"{hint}'
    else:
        own = reference.name.strip(SPACE)
        hint = did_you_mean(kind, sorted(scope.facts.map_types))
        if kind in {"tables", "tabel", "tabels", "file"} or (own in scope.merged.tables and not hint):
            hint = f"; did you mean table:{own}?"
        what = f'unknown table type "{kind}" in {parameter.name}: Postfix could not open "{named}"{hint}'
    yield scope.finding("unknown-table-type", parameter, what, named)


def _bad_name(scope: Scope, parameter: Parameter, reference: Reference) -> Iterator[Finding]:
    """Yield references to missing tables; the facts may say that a table outside the commit is missing."""
    if reference.name.startswith("{") or reference.type not in (*SUFFIXES, *CLIENTS):
        return
    own = own_name(reference.name, scope.facts.directory)
    table = scope.merged.tables.get(own) if own else None
    if table and table.type == reference.type:
        return
    there = [scope.facts.files.get(path) for path in paths_of(reference, scope.facts)]
    if own and reference.type in SUFFIXES and not all(there):
        if table:
            hint = f"; did you mean table:{own}, which is of type {table.type}?"
        else:
            hint = did_you_mean(own, scope.merged.tables) or f"; write it as tables/{own}, and here table:{own}"
            if parameter.name.endswith(_OF_PASSWORDS):
                hint = "; write smart_host with a username and password: !secret NAME instead"
        what = f'unknown table "{reference}" in {parameter.name}: no tables/{own} of that type, and lookups fail{hint}'
        yield scope.finding("unknown-table", parameter, what, str(reference))
    elif False in there:
        gone = ", ".join(_gone(reference, scope.facts))
        what = f'missing table "{reference}" in {parameter.name}: {gone} does not exist, and lookups fail'
        yield scope.finding("missing-file", parameter, what, str(reference), lasting=False)
    elif reference.type in SUFFIXES and not _is_place(reference.name) and not all(there):
        hint = f"; did you mean table:{reference.name}?" if reference.name in scope.merged.tables else ""
        then = f"Postfix would look in its queue directory{hint}"
        what = f'table "{reference}" in {parameter.name} has no absolute path: {then}'
        yield scope.finding("unknown-table", parameter, what, str(reference))


def _is_place(name: str) -> bool:
    return name.startswith(("/", "$"))


def _gone(reference: Reference, facts: Facts) -> list[str]:
    return [path for path in paths_of(reference, facts) if facts.files.get(path) is False]


def _missing_files(scope: Scope, parameter: Parameter, *, in_use: bool) -> Iterator[Finding]:
    for path in files_of(scope, parameter):
        if scope.facts.files.get(path) is False:
            then = "STARTTLS would fail" if in_use else "nothing uses it yet"
            what = f'missing file "{path}" in {parameter.name}: it does not exist or can\'t be read, and {then}'
            severity = Severity.ERROR if in_use else Severity.WARNING
            found = scope.finding("missing-file", parameter, what, path, severity=severity, lasting=False)
            yield replace(found, starts=showing(scope, parameter, path))


def _missing_lists(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    then = (
        "bounces would wait" if parameter.name == "bounce_template_file" else "Postfix would answer 451 to every client"
    )
    for path in lists_of(scope, parameter):
        if scope.facts.files.get(path) is False:
            what = f'missing file "{path}" in {parameter.name}: it does not exist or can\'t be read, and {then}'
            found = scope.finding("missing-file", parameter, what, path, lasting=False)
            yield replace(found, starts=looking_up(scope, parameter, path))


PASSING = frozenset({"missing-file"})
EXPLAINED = {
    "unknown-table": (
        "A setting names a table that the commit does not have. Every lookup would fail, and Postfix answers 451. Add "
        "tables/NAME, or correct the name. table:NAME selects the type automatically."
    ),
    "unknown-table-type": (
        "A setting names a table type that this Postfix can't open. Every lookup would fail, and Postfix answers 451. "
        "Install the package that provides the type, or use another type."
    ),
    "missing-file": (
        "A setting names a file that does not exist on this host, or that can't be read. Without a table or list, "
        "Postfix answers 451; without a certificate, STARTTLS fails. Install the file first, or correct its path. "
        "reconciler checks this again at every pass."
    ),
}
