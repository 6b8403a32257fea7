"""What was derived from a table before, so that 100,000 entries which have not changed are not walked again.

A table is known by its bytes, which are not kept. Raises nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from reconciler.model import Finding, Table

_MOST_KEPT = 1024


class CachedTable:
    """One table, and what rules found in it before."""

    _findings: ClassVar[dict[tuple[Hashable, ...], tuple[Finding, ...]]] = {}

    def __init__(self, table: Table) -> None:
        self._table = table
        named = (table.name, table.type, table.file, table.compiler, table.pieces)
        self._key = (*named, hashlib.sha256(table.source).digest())

    def ask(self, rule: Callable[..., Iterable[Finding]], *by: Hashable) -> tuple[Finding, ...]:
        """What a rule finds in this table, which may follow from the table and *by* alone."""
        key = (rule, *self._key, *by)
        findings = self._findings.get(key)
        if findings is None:
            findings = tuple(rule(self._table, *by))
            if len(self._findings) >= _MOST_KEPT:
                self._findings.clear()
            if len(findings) <= _MOST_KEPT:
                self._findings[key] = findings
        return findings
