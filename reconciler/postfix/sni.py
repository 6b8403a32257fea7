"""tls_server_sni_maps: the certificates that smtpd(8) shows by the name a client asks for (postconf(5), "postmap -F").

A row is a name, and the files of a key and its certificates in that order. Tables that Postfix reads as text take the
files in as a process starts, like every other certificate; what is in a compiled map came from there by ``postmap -F``,
private keys included, and would have to be made anew for each renewal. So ours are text. Raises nothing.

Known limit: of tables outside the commit, and of inline: ones, no row is known.
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
    """A row: the *table*, the *name* that clients ask for, the *files* for it, and where it is written."""

    table: str
    name: str
    files: tuple[str, ...]
    where: Where

    def finding(self, rule: str, text: str, about: str, severity: Severity = Severity.ERROR) -> Finding:
        """A finding about this row; all of them are of the moment."""
        what = f'table {self.table}: "{self.name}": {text}'
        subject = f"{self.table} {self.name} {about}"
        return Finding(rule=rule, where=self.where, text=what, subject=subject, severity=severity, lasting=False)


def references(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Reference]]:
    """Every table that is asked, with the setting that names it."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name == PARAMETER:
                yield from ((scope, parameter, reference) for reference in tables_of(scope, parameter))


def names(merged: Contribution, facts: Facts) -> frozenset[tuple[str, str]]:
    """The name and the type of each table of the configuration's own directory that is asked."""
    asked = ((own_name(reference.name), reference.type) for _, _, reference in references(merged, facts))
    return frozenset((name, kind) for name, kind in asked if name)


def rows(merged: Contribution, facts: Facts) -> Iterator[Row]:
    """The rows of all tables that smtpd reads as text."""
    for name in sorted({name for name, _ in names(merged, facts)}):
        table = merged.tables.get(name)
        if table and not table.compiler:
            for entry in Entries(table):
                yield Row(name, entry.key.lower(), tuple(words(entry.value)), table.at(entry.line))


def files(merged: Contribution, facts: Facts) -> frozenset[str]:
    """The files that rows name: a process reads them as it starts, and never again."""
    return frozenset(path for row in rows(merged, facts) for path in row.files if path.startswith("/"))
