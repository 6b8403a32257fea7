"""A cache of findings by table, so that 100,000 unchanged entries are not walked again.

The digest of a table's bytes is part of the key; the bytes are not kept. Raises nothing.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from reconciler.model import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from reconciler.model import Finding, Table

_MOST_KEPT = 1024


class CachedTable:
    """A table whose findings are cached by rule."""

    _findings: ClassVar[dict[tuple[Hashable, ...], tuple[Finding, ...]]] = {}

    def __init__(self, table: Table) -> None:
        self._table = table
        identity = (table.name, table.type, table.file, table.compiler, table.pieces, table.origins)
        self._key = (*identity, hashlib.sha256(table.source).digest())

    def ask(self, rule: Callable[..., Iterable[Finding]], *by: Hashable) -> tuple[Finding, ...]:
        """Return the findings of a rule in this table; they may depend on the table and *by* alone."""
        key = (rule, *self._key, *by)
        findings = self._findings.get(key)
        if findings is None:
            findings = tuple(islice(rule(self._table, *by), limits.FINDINGS + 1))  # one more says that it is too many
            if len(self._findings) >= _MOST_KEPT:
                self._findings.clear()
            if len(findings) <= _MOST_KEPT:
                self._findings[key] = findings
        return findings
