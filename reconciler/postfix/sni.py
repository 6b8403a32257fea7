"""tls_server_sni_maps: smtpd(8) selects a certificate by the name that a client requests (postconf(5), "postmap -F").

A row is a name, and the files of a key and its certificates in that order. For a table that Postfix reads as text, a
process loads the files at its start, as it does other certificates. A compiled map contains the files themselves,
private keys included, and each renewal would need ``postmap -F`` again; so our tables are text. Raises nothing.

Known limit: the rows of tables outside the commit, and of inline: tables, are unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Finding, Severity
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Facts, Parameter, Where
    from reconciler.postfix.references import Reference

PARAMETER = "tls_server_sni_maps"


class Row(NamedTuple):
    """A row: the *table*, the *name* that clients request, the *files* for it, and the place of the row."""

    table: str
    name: str
    files: tuple[str, ...]
    where: Where

    def finding(self, rule: str, text: str, about: str, severity: Severity = Severity.ERROR) -> Finding:
        """Return a finding about this row; all of these are of the moment."""
        what = f'table {self.table}: "{self.name}": {text}'
        subject = f"{self.table} {self.name} {about}"
        return Finding(rule=rule, where=self.where, text=what, subject=subject, severity=severity, lasting=False)


def references(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Reference]]:
    """Yield each table that is looked up, with the setting that names it."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name == PARAMETER:
                yield from ((scope, parameter, reference) for reference in tables_of(scope, parameter))


def names(merged: Contribution, facts: Facts) -> frozenset[tuple[str, str]]:
    """Return the name and the type of each table in the configuration directory that is looked up."""
    tables = (
        (own_name(reference.name, facts.directory), reference.type) for _, _, reference in references(merged, facts)
    )
    return frozenset((name, kind) for name, kind in tables if name)


def rows(merged: Contribution, facts: Facts) -> Iterator[Row]:
    """Yield the rows of all tables that smtpd reads as text."""
    for name in sorted({name for name, _ in names(merged, facts)}):
        table = merged.tables.get(name)
        if table and not table.compiler:
            for entry in Entries(table):
                yield Row(name, entry.key.lower(), tuple(words(entry.value)), table.at(entry.line))


def files(merged: Contribution, facts: Facts) -> frozenset[str]:
    """Return the files that rows name; a process reads them only at its start."""
    return frozenset(path for row in rows(merged, facts) for path in row.files if path.startswith("/"))
