"""The programs of pipe(8), spawn(8) and aliases must be ones that their users may run.

Every finding is of the moment, and depends on ``facts.accesses``; other rules report programs and users that are
missing. Raises nothing.

Known limits: what a program reads itself, its interpreter for one, is not looked at. Programs of mailbox_command run
as each recipient, and are not tested.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Access, AccessKind, Finding, Mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.reached import routed
from reconciler.postfix.references import own_name, programs_of, tables_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_parts import holds
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Service, Table
    from reconciler.postfix.tables import Entry

_RUNNERS = frozenset({"pipe", "spawn"})
_COMMAND = re.compile(r"\|\s*(?P<path>/[^\s\",;&|<>]+)", re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each command may be run by the user that will run it."""
    names = routed(Scope(merged, facts))
    for service, access in _of_services(merged):
        if reason := _reason(access, facts):
            is_used = service.command != "pipe" or service.name in names
            what = (
                f"the user {access.user.rstrip(':')} can't run {access.path} ({reason}): its mail would wait or bounce"
            )
            found = service.finding("not-executable", what, lasting=False)
            yield found if is_used else found.as_warning("no mail is routed to it")
    for table, entry, access in _of_aliases(merged, facts):
        if reason := _reason(access, facts):
            what = (
                f'"{entry.key}": the user {access.user.rstrip(":")} can\'t run {access.path} ({reason}): its mail would'
                " bounce"
            )
            yield table.finding("not-executable", entry.line, what, f"{entry.key} {access.path}", lasting=False)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the programs and their users."""
    accesses = {access for _, access in _of_services(merged)} | {access for _, _, access in _of_aliases(merged, facts)}
    return Mentioned(accesses=frozenset(accesses))


def _reason(access: Access, facts: Facts) -> str | None:
    """Return why a program that exists can't be run."""
    return facts.accesses.get(access) if facts.files.get(access.path) else None


def _of_services(merged: Contribution) -> Iterator[tuple[Service, Access]]:
    for service in merged.distinct:
        if service.command not in _RUNNERS:
            continue
        given = [word.strip("{}" + SPACE) for word in service.arguments]
        user = next((word.partition("=")[2] for word in given if word.lower().startswith("user=")), "")
        for path in programs_of(service) if user else ():
            yield service, Access(path, user if ":" in user else f"{user}:", AccessKind.RUN)


def _of_aliases(merged: Contribution, facts: Facts) -> Iterator[tuple[Table, Entry, Access]]:
    """Yield the commands of alias tables of the commit, which root owns: they run with default_privs."""
    main = Scope(merged, facts)
    parameter = main.parameter("alias_maps")
    user = f"{main.value('default_privs')}:"
    for reference in tables_of(main, parameter) if parameter else ():
        table = merged.tables.get(own_name(reference.name, main.facts.directory) or "")
        if table and holds(table, b"|"):
            for entry in Entries(table):
                for match in _COMMAND.finditer(entry.value):
                    yield table, entry, Access(match["path"], user, AccessKind.RUN)


PASSING = frozenset({"not-executable"})
EXPLAINED = {
    "not-executable": (
        "A command exists, but the user that would run it may not: a pipe or spawn service has its own user, and a "
        "command of an alias table runs as default_privs. Its mail would wait or bounce. A rehearsal shows only what "
        "every user may read, so the host is asked as that user. Let the user run the file and pass its folders."
    ),
}
