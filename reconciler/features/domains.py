"""The mail domains of this host, as far as the repository lists them literally.

Names are in lower case. Raises nothing. Known limit: the answers of patterns, databases and files outside of the
repository are not known here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from reconciler.postfix.references import own_name, tables_in
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.postfix.scopes import Scope

CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}", re.ASCII)


def _domain(text: str) -> str:
    name = text.lower().removesuffix(".")
    if not DOMAIN.fullmatch(name):
        bare = name.rpartition("//")[2].rpartition("@")[2].lstrip("*.").partition("/")[0]
        hint = f"; did you mean {bare}?" if DOMAIN.fullmatch(bare) else " (an IDN in its xn-- form)"
        what = 'not a domain: "{text}"; expected a name such as example.com{hint}'
        raise PydanticCustomError("not-a-domain", what, {"text": text, "hint": hint})
    return name


Domain = Annotated[str, AfterValidator(_domain)]
"""The name of a domain in mail.yaml, in lower case and without a final dot."""


def mail_domains(main: Scope) -> set[str]:
    """Return every domain that this host accepts mail for."""
    written = {word.lower() for name in CLASSES for word in main.words(name)}
    return set(filter(DOMAIN.fullmatch, written.union(*(keys_of(main, name) for name in CLASSES))))


def keys_of(main: Scope, name: str) -> Iterator[str]:
    """Yield the keys of the commit's tables that a list names, except for tables of patterns and of networks."""
    for word in main.words(name):
        for reference in tables_in(word):
            own = reference.name if reference.type == "table" else own_name(reference.name, main.facts.directory)
            table = main.merged.tables.get(own or "")
            if table and table.type not in PATTERN_TYPES and table.type != "cidr":
                yield from (entry.key.lower() for entry in Entries(table))
