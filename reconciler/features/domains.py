"""The mail domains of this host, as far as the repository says them literally.

mail_domains() promises names in lower case, sorted, each with its place. Raises nothing. Known limit: what a pattern, a
database or a file outside of the repository would answer is not known here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Where
from reconciler.rules.references import own_name, tables_in
from reconciler.rules.scopes import Scope
from reconciler.table import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts

CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")


def mail_domains(desired: Desired, facts: Facts, merged: Contribution) -> dict[str, Where]:
    """Every domain that mail is accepted for, by its name, and where it is written."""
    main = Scope(merged, facts)
    found: dict[str, Where] = {}
    for name in CLASSES:
        for word in main.words(name):
            for domain, where in _domains(word, main.where(name), desired):
                if DOMAIN.fullmatch(domain) and not domain.endswith((".localdomain", ".localhost")):
                    found.setdefault(domain, where)
    return dict(sorted(found.items()))


def _domains(word: str, where: Where, desired: Desired) -> Iterator[tuple[str, Where]]:
    """What a word of such a list stands for: itself, or the keys of a table that are domains."""
    references = list(tables_in(word))
    if not references:
        yield word.lower(), where
    for reference in references:
        table = desired.tables.get(own_name(reference.name) or "")
        if table and table.type not in PATTERN_TYPES and table.type != "cidr":
            yield from ((entry.key.lower(), Where(table.file, entry.line)) for entry in Entries(table))
