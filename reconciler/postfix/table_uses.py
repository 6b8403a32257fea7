"""The uses of each table: the settings and restrictions that look it up. Raises nothing.

Known limit: inline tables of routes are left out, because rules/routes.py and rules/mail_loops.py read them with the
setting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.postfix.derived import derived
from reconciler.postfix.references import own_name, table_inside, tables_in, tables_of
from reconciler.postfix.restrictions import LISTS, WITH_TABLE, parsed
from reconciler.postfix.routes import RELAY_MAPS, TRANSPORT_MAPS
from reconciler.postfix.scopes import PARENTS, Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Facts, Finding, Parameter, Table
    from reconciler.postfix.references import Reference


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a table: the *name* of the parameter or of the restriction that looks it up.

    *dotless* is true if a key also stands for what is below its domain; a key with a dot in front then never matches.
    """

    name: str
    classes: frozenset[str] = frozenset()
    dotless: bool = False


class InlineTable(NamedTuple):
    """A table that a setting contains, and its use."""

    scope: Scope
    parameter: Parameter
    use: Use
    table: Table

    def finding(self, finding: Finding) -> Finding:
        """Return a finding of the table with the place of the setting."""
        return self.scope.finding(
            finding.rule, self.parameter, finding.text, finding.subject,
            severity=finding.severity, lasting=finding.lasting,
        )  # fmt: skip


def uses_by_table(merged: Contribution, facts: Facts) -> dict[str, frozenset[Use]]:
    """Return the uses of each table in the configuration directory, by table name."""
    uses: dict[str, set[Use]] = {}
    for _, _, use, reference in _references(merged, facts):
        uses.setdefault(own_name(reference.name, facts.directory) or "", set()).add(use)
    return {name: frozenset(table_uses) for name, table_uses in uses.items()}


def inline_tables(merged: Contribution, facts: Facts) -> Iterator[InlineTable]:
    """Yield the tables that settings contain, except tables of routes."""
    for scope, parameter, use, reference in _references(merged, facts):
        table = table_inside(reference) if use.name not in TRANSPORT_MAPS | RELAY_MAPS else None
        if table:
            yield InlineTable(scope, parameter, use, table)


@derived
def _references(merged: Contribution, facts: Facts) -> tuple[tuple[Scope, Parameter, Use, Reference], ...]:
    """Return each table that a setting names, with its use there."""
    return tuple(_named(merged, facts))


def _named(merged: Contribution, facts: Facts) -> Iterator[tuple[Scope, Parameter, Use, Reference]]:
    for scope in scopes(merged, facts):
        classes = frozenset(scope.words("smtpd_restriction_classes"))
        for parameter in scope.written:
            if parameter.name in LISTS or parameter.name in classes:
                uses = list(_uses_in(scope.expanded(parameter.value) or "", parameter.name, classes))
            else:
                uses = [(Use(parameter.name), str(reference)) for reference in tables_of(scope, parameter)]
            parents = scope.words(PARENTS) if uses else ()
            for use, text in uses:
                dotless = ("smtpd_access_maps" if use.name in WITH_TABLE else use.name) in parents
                exact = replace(use, dotless=dotless)
                yield from ((scope, parameter, exact, reference) for reference in tables_in(text))


def _uses_in(text: str, name: str, classes: frozenset[str]) -> Iterator[tuple[Use, str]]:
    """Yield the uses of tables in a list of restrictions, each with the text that names the table."""
    # A list looks up a table without a restriction as its own check_..._access does (smtpd_check.c).
    implied = name.replace("smtpd_", "check_").replace("_restrictions", "_access") if name in LISTS else ""
    for restriction in parsed(text):
        if restriction.name in WITH_TABLE:
            yield Use(restriction.name, classes), restriction.argument or ""
        elif ":" in restriction.name and implied in WITH_TABLE:
            yield Use(implied, classes), restriction.name
