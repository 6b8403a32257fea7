"""A cache of findings by table, so that 100,000 unchanged entries are not walked again.

The digests of a table's bytes and of its places are part of the key; neither is kept. Raises nothing.
"""

from __future__ import annotations

import hashlib
import marshal
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from reconciler.model import limits
from reconciler.model.past import Past, PastInAPass, condensed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from reconciler.model import Finding, Table

_MOST_KEPT = 1024
_WITHOUT_REFERENCES = 2  # of marshal: with them, the bytes depend on how often a text is in memory


class CachedTable:
    """A table whose findings are cached by rule."""

    _findings: ClassVar[Past[tuple[Finding, ...]]] = Past(_MOST_KEPT)
    _placed: ClassVar[PastInAPass[bytes]] = PastInAPass(64)

    def __init__(self, table: Table) -> None:
        self._table = table
        placed = self._placed.of((table.pieces, table.origins), lambda: _digest(table))
        self._key = (table.name, table.type, table.file, table.compiler, table.digest, placed)

    def ask(self, rule: Callable[..., Iterable[Finding]], *by: Hashable) -> tuple[Finding, ...]:
        """Return the findings of a rule in this table; they may depend on the table and *by* alone."""
        key = (rule, *self._key, condensed(by))
        findings = self._findings.used(key)
        if findings is None:
            findings = tuple(islice(rule(self._table, *by), limits.FINDINGS + 1))  # one more says that it is too many
            if len(findings) <= _MOST_KEPT:
                self._findings.keep(key, findings)
        return findings


def _digest(table: Table) -> bytes:
    """Return the digest of a table's places: one of many sites has thousands, and each push another version of them."""
    places = table.pieces, [(where.file, where.line, where.column) for where in table.origins]
    return hashlib.sha256(marshal.dumps(places, _WITHOUT_REFERENCES)).digest()
