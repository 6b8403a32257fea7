"""Passwords in plain text, known by their use: what smtp(8) logs in with.

A password in the repository stays in its history for ever, and a table of the commit is readable by every user of the
host. smart_host writes its own, 0600, from a secret. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding
    from reconciler.postfix.references import Reference

_LOGINS = frozenset({"smtp_sasl_password_maps", "lmtp_sasl_password_maps"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """No login stands in the commit in plain text."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for reference in tables_of(scope, parameter) if parameter.name in _LOGINS else ():
                if place := _plain(scope, reference):
                    what = (
                        f"{parameter.name}: {place} holds a password in plain text, which would stay in the history for"
                        " ever; run `reconciler secret set smart_host` and write smart_host: {nexthop: ..., username:"
                        " ..., password: !secret smart_host} (and change the password: it has been seen)"
                    )
                    yield scope.finding("plain-text-secret", parameter, what, reference.type)


def _plain(scope: Scope, reference: Reference) -> str | None:
    """Where the password is, never what it is."""
    if reference.type in {"static", "inline"}:
        return f"the {reference.type}: table" if reference.name.strip("{} ") else None
    table = scope.merged.tables.get(own_name(reference.name) or "")
    if table and not table.is_secret and next(iter(Entries(table)), None):
        return f"the table {table.name}"
    return None


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "plain-text-secret": (
        "A password stands in the commit in plain text. It would be readable by all who can read the repository, "
        "and stay in its history for ever. Remove it, change the password, and store it with `reconciler secret "
        "set NAME`; values then say !secret NAME."
    ),
}
