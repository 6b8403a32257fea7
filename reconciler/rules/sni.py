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

    from reconciler.model import Contribution, Desired, Facts, Parameter, Where
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


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every row can be read by smtpd, and its files are there."""
    for scope, parameter, reference in _named(merged, facts):
        table = merged.tables.get(own_name(reference.name) or "")
        if table and table.compiler and table.type == reference.type:
            what = (
                f'{PARAMETER}: "{reference}" is compiled, and holds the names of files where smtpd wants what is in'
                f" them: TLS would fail for every name in it; rename {table.file} to tables/{table.name}.texthash"
            )
            yield scope.finding("compiled-sni-map", parameter, what, table.name)
    for row in rows(merged, facts):
        for path in row.files:
            if facts.files.get(path) is False or not path.startswith("/"):
                what = (
                    f'missing file "{path}": it is not there or can\'t be read; smtpd would skip the row, and show'
                    " another certificate"
                    if path.startswith("/")
                    else f'"{path}" is no absolute path; a row names the files of a key and its certificates'
                )
                yield row.finding("missing-file", what, path)


def names(merged: Contribution, facts: Facts) -> frozenset[tuple[str, str]]:
    """The name and the type of each table of the configuration's own directory that is asked."""
    asked = ((own_name(reference.name), reference.type) for _, _, reference in _named(merged, facts))
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


def _named(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Reference]]:
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name == PARAMETER:
                yield from ((scope, parameter, reference) for reference in tables_of(scope, parameter))


EXPLAINED = {
    "compiled-sni-map": (
        "A compiled table is asked for the certificate of a name. Such a map holds keys and certificates themselves, "
        "as `postmap -F` makes it, and this one holds the names of their files: TLS fails for every name in it. Call "
        "the file tables/NAME.texthash, or tables/sni; smtpd then reads the files by itself as it starts, and renewed "
        "certificates are taken over by a reload."
    ),
}
