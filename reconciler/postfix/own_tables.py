"""The tables whose contents the commit holds: its own files, and those that a value contains. Raises nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import UNWRITTEN, Parameter, Severity
from reconciler.postfix.references import own_name, table_inside, tables_in, tables_of
from reconciler.postfix.tables import PATTERN_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Finding, Table
    from reconciler.postfix.references import Reference
    from reconciler.postfix.scopes import Scope
    from reconciler.postfix.tables import Entry


class NamedTable(NamedTuple):
    """A table, and the setting that names it in a scope."""

    scope: Scope
    parameter: Parameter
    table: Table

    @property
    def is_plain(self) -> bool:
        """Return whether its keys are looked up as they are written."""
        return self.table.type not in {*PATTERN_TYPES, "cidr", "static"}

    def finding(self, rule: str, entry: Entry, text: str, severity: Severity = Severity.WARNING) -> Finding:
        """Return a finding at the entry; for a table in a value, at the setting."""
        if self.table.file:
            return self.table.finding(rule, entry.line, text, entry.key, severity=severity)
        text = f"{self.parameter.name}: {text}"
        return self.scope.place_of(self.parameter).finding(rule, self.parameter, text, entry.key, severity=severity)


def own_tables(scope: Scope, name: str) -> list[NamedTable]:
    """Return the tables that a parameter names, written or by default, in the order of their lookup."""
    setting = scope.parameter(name) or Parameter(name, scope.facts.parameters.get(name, ""), UNWRITTEN)
    references = tables_of(scope, setting)
    return list(_held(scope, setting, references))


def tables_named(scope: Scope, parameter: Parameter, text: str) -> list[NamedTable]:
    """Return the tables that a part of a setting names, such as the argument of a restriction."""
    return list(_held(scope, parameter, tables_in(text)))


def _held(scope: Scope, parameter: Parameter, references: Iterable[Reference]) -> Iterator[NamedTable]:
    for reference in references:
        table = table_inside(reference) or scope.merged.tables.get(
            own_name(reference.name, scope.facts.directory) or ""
        )
        if table:
            yield NamedTable(scope, parameter, table)


def knows_all(scope: Scope, name: str) -> bool:
    """Return whether the commit holds every table that a parameter names."""
    return len(own_tables(scope, name)) == len([word for word in scope.words(name) if ":" in word])
