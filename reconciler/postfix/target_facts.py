"""The facts of a host as they will be when the files of the commit are there: the host has their old versions, or none.

Pure; raises nothing. Known limits: what a certificate of the commit holds is unknown, and so are the members of groups,
but for a group that has the user's own name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import AccessKind
from reconciler.postfix.references import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Access, Contribution, DeployedFile, Facts, Table

_BITS = {AccessKind.READ: 0o4, AccessKind.RUN: 0o1}
_DENIED = "permission denied"


def with_files(facts: Facts, merged: Contribution) -> Facts:
    """Return the facts with the files and the tables of the commit in their places."""
    directory = facts.directory
    tables = [f"{directory}/{one.name}{suffix}" for one in merged.tables.values() for suffix in ("", *_maps(one))]
    own = {f"{directory}/{path}": made for path, made in merged.files.items()}
    own |= {made.link: made for made in merged.files.values() if made.link}
    if not tables and not own:
        return facts
    accesses = {one: _answer(own[one.path], one) for one in facts.accesses if one.path in own}
    return replace(
        facts, files={**facts.files, **dict.fromkeys((*tables, *own), True)}, accesses={**facts.accesses, **accesses},
        pems={path: pem for path, pem in facts.pems.items() if path not in own},
    )  # fmt: skip


def without_files(facts: Facts, owned: Iterable[str]) -> Facts:
    """Return the facts without the paths that only what is live brings: with another commit, none of them is there."""
    gone = facts.files.keys() & set(owned)
    return replace(facts, files={**facts.files, **dict.fromkeys(gone, False)}) if gone else facts


def _maps(table: Table) -> tuple[str, ...]:
    return SUFFIXES.get(table.type, ())


def _answer(made: DeployedFile, access: Access) -> str | None:
    """Return why a user can't do that with a file; empty if it can, None if that depends on its groups."""
    user, _, group = access.user.partition(":")
    bit = _BITS.get(access.kind)
    if user == "root":
        return "" if bit != _BITS[AccessKind.RUN] or made.mode & 0o111 else _DENIED
    if bit is None:
        return _DENIED
    if made.owner.partition(":")[2] in {user, group}:
        return "" if made.mode & bit << 3 else _DENIED
    if made.mode & bit:
        return ""
    return None if made.mode & bit << 3 else _DENIED
