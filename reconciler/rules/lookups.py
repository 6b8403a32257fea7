"""Tables on servers must answer a look-up now, and proxymap(8) must be able to read the files of its tables.

A rehearsal has empty tables in their place. Findings about servers are of the moment, and depend on ``facts.lookups``;
reachability.py reports servers that do not answer at all. Raises nothing.

Known limit: one key is looked up, in no particular domain.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Access, AccessKind, Lookup, Mentioned, Secret, Severity
from reconciler.postfix.definitions import PASSWORDS, only_reads
from reconciler.postfix.references import CLIENTS, MADE, file_below, own_name, paths_of, tables_in, tables_of
from reconciler.postfix.scopes import CONFIG_DIRECTORY, Scope, scopes, words
from reconciler.postfix.syntax import read_main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, DeployedFile, Desired, Facts, Finding, Parameter
    from reconciler.postfix.references import Reference

_SOCKETS = frozenset({"socketmap", "tcp"})
_NEVER_JAILED = frozenset({"local", "pipe", "spawn", "virtual"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each table on a server answers, and that proxymap can read what it must."""
    for scope, parameter, reference, lookup in _asked(merged, facts):
        trouble = facts.lookups.get(lookup)
        if not trouble or (reference.type in _SOCKETS and trouble.startswith("no ")):
            continue
        severity = Severity.WARNING if trouble.startswith("no answer") else Severity.ERROR
        what = f'{parameter.name}: "{reference}" answers no look-up ({trouble}): mail that needs it would be deferred'
        made = _described(reference, merged, facts)
        how = f"correct {made.source}, or its server" if made else f"postmap -q {lookup.key} {lookup.table} shows why"
        found = scope.finding(
            "failing-lookup", parameter, f"{what}; {how}", str(reference), severity=severity, lasting=False
        )
        yield replace(found, where=made.where) if made else found
    for scope, parameter, reference in _proxied(merged, facts):
        yield from _closed(scope, parameter, reference)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the look-ups that servers must answer, and the files that proxymap reads."""
    accesses = {
        _reading(path, merged, facts)
        for _, _, reference in _proxied(merged, facts)
        if own_name(reference.name, facts.directory) not in merged.tables
        for path in paths_of(reference, facts)
    }
    lookups = frozenset(lookup for *_, lookup in _asked(merged, facts))
    return Mentioned(lookups=lookups, accesses=frozenset(accesses))


def _asked(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Reference, Lookup]]:
    main = Scope(merged, facts)
    key, owner = f"postmaster@{main.value('myhostname')}", main.value("mail_owner")
    directory = facts.directory
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for reference in () if MADE.search(parameter.name) else tables_of(scope, parameter):
                name = reference.name.replace(CONFIG_DIRECTORY, directory)
                is_database = reference.type in CLIENTS and name.startswith("/")
                made = _described(reference, merged, facts)
                is_asked = not made or _can_be_asked(made, reference.type)
                if reference.type in facts.map_types and is_asked and (is_database or reference.type in _SOCKETS):
                    jail = _jail(scope, parameter, reference) if is_database else ""
                    text = Secret(made.path, made.content.decode("utf-8", "surrogateescape")) if made else None
                    yield scope, parameter, reference, Lookup(f"{reference.type}:{name}", key, owner, jail, text)


def _described(reference: Reference, merged: Contribution, facts: Facts) -> DeployedFile | None:
    """Return the file of the commit that describes a table on a server."""
    made = merged.files.get(file_below(reference.name, facts.directory) or "")
    return made if made and reference.type in CLIENTS else None


def _can_be_asked(made: DeployedFile, kind: str) -> bool:
    """Return whether a description is whole, and a look-up by it changes nothing: the commit is not judged yet."""
    settings, unreadable = read_main(made.content.decode("utf-8", "surrogateescape"), made.source)
    is_whole = bool(settings) and not unreadable and all(settings[name].value for name in PASSWORDS & settings.keys())
    return is_whole and only_reads(kind, settings)


def _jail(scope: Scope, parameter: Parameter, reference: Reference) -> str:
    """Return the chroot of a program that asks the server by itself, and not through proxymap."""
    if reference in _behind_proxy(scope, parameter):
        asking = scope.merged.running("proxymap")
    else:
        entries = [scope.service] if scope.service else scope.merged.entries
        asking = [one for one in entries if parameter.name in scope.facts.reads.get(one.command, ())]
    jailed = any(one.chroot == "y" and one.command not in _NEVER_JAILED for one in asking)
    return scope.value("queue_directory") if jailed else ""


def _behind_proxy(scope: Scope, parameter: Parameter) -> list[Reference]:
    elements = (word.lstrip("!") for word in words(scope.expanded(parameter.value) or ""))
    return [reference for word in elements if word.startswith("proxy:") for reference in tables_in(word)]


def _proxied(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Reference]]:
    """Yield the tables that are opened by proxymap, which has no rights of root when it opens a table."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if MADE.search(parameter.name) or "proxy:" not in (scope.expanded(parameter.value) or ""):
                continue
            known = set(tables_of(scope, parameter))
            yield from ((scope, parameter, one) for one in _behind_proxy(scope, parameter) if one in known)


def _closed(scope: Scope, parameter: Parameter, reference: Reference) -> Iterator[Finding]:
    facts, merged = scope.facts, scope.merged
    table = merged.tables.get(own_name(reference.name, facts.directory) or "")
    then = "proxymap could not open it, and mail that needs it would be deferred"
    if table:
        if table.is_secret:
            secret = f'{parameter.name}: "proxy:{reference}" holds secrets, which only root may read'
            what = f"{secret}: {then}; leave out proxy:"
            yield scope.finding("unreadable-by-proxymap", parameter, what, str(reference))
        return
    for path in paths_of(reference, facts):
        access = _reading(path, merged, facts)
        if facts.files.get(path) and (reason := facts.accesses.get(access)):
            what = f'{parameter.name}: "proxy:{reference}": {path}: {reason} for the user {access.user}: {then}'
            yield scope.finding("unreadable-by-proxymap", parameter, what, str(reference), lasting=False)


def _reading(path: str, merged: Contribution, facts: Facts) -> Access:
    return Access(path, Scope(merged, facts).value("mail_owner"), AccessKind.READ)


PASSING = frozenset({"failing-lookup", "unreadable-by-proxymap"})
EXPLAINED = {
    "failing-lookup": (
        "A table is kept by a server: a directory, a database, or a program behind a socket. A look-up of one key "
        "fails now, though a key that does not exist would be answered. Postfix would defer all mail that needs the "
        "table. If its socket is not in the chroot, use proxy:, or have the socket or the server's address there. Run "
        "the postmap command of the finding to see the server's own words. reconciler names the servers only, because "
        "the rest may come from a file that the author of a commit may not read."
    ),
    "unreadable-by-proxymap": (
        "A table is opened by proxymap (proxy:TYPE:NAME), which runs as Postfix's own user and not as root. This user "
        "may not read the table's file, so each look-up fails. Let the group postfix read the file, or leave out "
        "proxy:, because other programs of Postfix open their tables as root."
    ),
}
