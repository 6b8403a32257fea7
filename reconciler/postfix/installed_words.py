"""The words that only some versions of Postfix know: what its own programs must say before a commit may use it.

host/programs/binaries.py looks for them in the installed programs; ``facts.unsaid`` holds those that it does not find.
The tables of this folder are those of the newest Postfix. Raises nothing.

Known limit: a program may hold a removed word, to refuse it; restrictions.REMOVED has those.
"""

from __future__ import annotations

import re

from reconciler.postfix.actions import ACCESS, ATTRIBUTES, CHECKS
from reconciler.postfix.restrictions import KNOWN
from reconciler.postfix.vocabulary import LISTS
from reconciler.postfix.vocabulary import WORDS as ENUMERATIONS

_LONG = re.compile(r"[a-z][a-z0-9_-]{2,}", re.ASCII)  # a shorter text stands in any program

WORDS = frozenset(
    word
    for words in (
        KNOWN, ACCESS, CHECKS, ATTRIBUTES, *(known for known, _ in (*ENUMERATIONS.values(), *LISTS.values())),
    )
    for word in words
    if _LONG.fullmatch(word)
)  # fmt: skip
