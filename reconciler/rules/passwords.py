"""The commit must not hold the passwords that smtp(8) logs in with in plain text.

A password in the repository stays in its history, and every user of the host can read a table of the commit.
smart_host writes its own table, with mode 0600, from a secret. Raises nothing.
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
    """Check that the commit holds no login in plain text."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for reference in tables_of(scope, parameter) if parameter.name in _LOGINS else ():
                if place := _plain(scope, reference):
                    what = (
                        f"{parameter.name}: {place} holds a password in plain text, which would stay in the history;"
                        " run `reconciler secret set smart_host` and write smart_host: {nexthop: ..., username: ...,"
                        " password: !secret smart_host} (and change the password, because it has been exposed)"
                    )
                    yield scope.finding("plain-text-secret", parameter, what, reference.type)


def _plain(scope: Scope, reference: Reference) -> str | None:
    """Return where the password is, and never the password itself."""
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
        "The commit holds a password in plain text. Every person who can read the repository could read it, and it "
        "would stay in the history. Remove it, change the password, and store the new one with `reconciler secret set "
        "NAME`. Values then refer to it as !secret NAME."
    ),
}
