"""Files and folders that mail is written to must exist, or be ones that their user can make.

Every finding is of the moment, and depends on ``facts.accesses``. local(8) writes to the files of an alias table as
default_privs, and virtual(8) as the owner that virtual_uid_maps and virtual_gid_maps give. Raises nothing.

Known limits: of a table of mailboxes, only the first rows are tested; home directories and files of aliases outside of
the commit are not.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Access, AccessKind, Finding, Mentioned
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_parts import holds
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Table

_ROWS = 64
_WORD = re.compile(r'"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<bare>[^\s",]+)', re.ASCII)
_ELSEWHERE = ("home_mailbox", "mailbox_command", "mailbox_command_maps", "mailbox_transport", "mailbox_transport_maps")
_MBOX, _MAILDIR = "can't write to the file", "can't make or use the folder"


class _Place(NamedTuple):
    """Where mail is written, and what makes the finding about it."""

    access: Access
    finding: Callable[[str], Finding]
    what: str
    then: str = "its mail would bounce"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each file and folder can be written by its user."""
    for place in _places(merged, facts):
        if reason := facts.accesses.get(place.access):
            user = place.access.user.rstrip(":")
            verb = _MAILDIR if place.access.kind is AccessKind.MAKE else _MBOX
            yield place.finding(f"{place.what}: the user {user} {verb} {place.access.path} ({reason}): {place.then}")


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the files and folders with their users."""
    return Mentioned(accesses=frozenset(place.access for place in _places(merged, facts)))


def _places(merged: Contribution, facts: Facts) -> Iterator[_Place]:
    main = Scope(merged, facts)
    yield from _of_aliases(main)
    yield from _of_virtual(main)
    yield from _of_spool(main)


def _access(path: str, user: str) -> Access:
    return Access(path, user, AccessKind.MAKE if path.endswith("/") else AccessKind.APPEND)


def _of_row(table: Table, line: int, about: str) -> Callable[[str], Finding]:
    return lambda text: table.finding("no-place-for-mail", line, text, about, lasting=False)


def _own_tables(main: Scope, name: str) -> list[Table]:
    parameter = main.parameter(name)
    names = (
        (own_name(reference.name, main.facts.directory) or "" for reference in tables_of(main, parameter))
        if parameter
        else ()
    )
    found = map(main.merged.tables.get, names)
    return [table for table in found if table and table.type not in PATTERN_TYPES]


def _of_aliases(main: Scope) -> Iterator[_Place]:
    """Yield the files in the commit's alias tables, which belong to root: their mail is written as default_privs."""
    user = f"{main.value('default_privs')}:"
    for table in _own_tables(main, "alias_maps"):
        if not holds(table, b"/"):
            continue
        for entry in Entries(table):
            for path in _paths(entry.value) if "/" in entry.value else ():
                yield _Place(_access(path, user), _of_row(table, entry.line, f"{entry.key} {path}"), f'"{entry.key}"')


def _paths(value: str) -> Iterator[str]:
    """Yield the words of a row that are paths; the words after a command without quotes are its own."""
    for match in _WORD.finditer(value):
        word = match["quoted"] if match["quoted"] is not None else match["bare"]
        if word.startswith("|") and match["bare"]:
            return
        if word.startswith("/"):
            yield word


def _of_virtual(main: Scope) -> Iterator[_Place]:
    """Yield the mailboxes of virtual(8), as far as the commit says who owns them."""
    service = main.merged.services.get(f"{transport_of(main.value('virtual_transport'))}/unix")
    if not service or service.command != "virtual" or not main.words("virtual_mailbox_domains"):
        return
    scope = Scope(main.merged, main.facts, service)
    base, owners = scope.value("virtual_mailbox_base"), _Owners(scope)
    for table in _own_tables(scope, "virtual_mailbox_maps"):
        for entry in islice(Entries(table), _ROWS):
            owner = owners.of(entry.key)
            if owner and "@" in entry.key.lstrip("@"):
                access = _access(f"{base}/{entry.value}", owner)
                yield _Place(access, _of_row(table, entry.line, entry.key), f'"{entry.key}"')


class _Owners:
    """The owners of virtual mailboxes: ``UID:GID`` of an address, where static: or the commit's own tables say it."""

    def __init__(self, scope: Scope) -> None:
        self._fixed: list[str] = []
        self._rows: list[dict[str, str]] = []
        for name in ("virtual_uid_maps", "virtual_gid_maps"):
            maps, own = scope.words(name), _own_tables(scope, name)
            is_fixed = len(maps) == 1 and maps[0].startswith("static:")
            self._fixed.append(maps[0].removeprefix("static:") if is_fixed else "")
            rows = (entry for table in own for entry in islice(Entries(table), 4 * _ROWS))
            self._rows.append({entry.key: entry.value for entry in rows} if len(own) == len(maps) else {})

    def of(self, address: str) -> str:
        """Return the owner of an address, or empty."""
        found = [fixed or rows.get(address, "") for fixed, rows in zip(self._fixed, self._rows, strict=True)]
        return ":".join(found) if all(map(is_digits, found)) else ""


def _of_spool(main: Scope) -> Iterator[_Place]:
    """Yield the folder of local's mailboxes, if a setting names it and nothing else takes the mail."""
    parameter = main.parameter("mail_spool_directory")
    is_local = transport_of(main.value("local_transport")) == "local" and main.words("mydestination")
    if not parameter or not is_local or any(main.value(name) for name in _ELSEWHERE):
        return
    path = main.value(parameter.name)
    # local makes the file of a mailbox as root, but a folder as its user.
    user = "nobody:" if path.endswith("/") else "root:"
    access = _access(f"{path.rstrip('/')}/postmaster{'/' * path.endswith('/')}", user)

    def finding(text: str) -> Finding:
        found = main.finding("no-place-for-mail", parameter, text, lasting=False)
        return found.as_warning("users may have their folders already") if access.kind is AccessKind.MAKE else found

    yield _Place(access, finding, parameter.name)


PASSING = frozenset({"no-place-for-mail"})
EXPLAINED = {
    "no-place-for-mail": (
        "Mail is written to a file or a folder which the user that writes it can neither use nor make: a folder above "
        "it is missing, or a mode forbids it. A file of an alias table is written as default_privs, a mailbox of "
        "virtual as its owner in virtual_uid_maps. A rehearsal has folders of its own, so the host is asked as that "
        "user. Make the folder, and give it to the user."
    ),
}
