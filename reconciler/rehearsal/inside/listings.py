"""The recipients that the rows of a table name: whoever is listed is to receive mail.

Pure; a rehearsal reads the host's own tables with it, and its script those of the commit. Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLES = 2
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_ANYBODY = re.compile(r"@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_LOCAL = re.compile(r"(?!YP_)[A-Za-z0-9._+-]+")  # postalias(1) adds YP_LAST_MODIFIED and YP_MASTER_NAME
_BEYOND = re.compile(r"[|/\"]|:include:")  # a command, a file, a list: nothing that mail of a rehearsal should reach


def recipients(rows: Iterable[tuple[str, str]], domain: str = "", most: int = SAMPLES) -> list[str]:
    """Return the first recipients; in a table of local names, whose *domain* it is, those that are addresses."""
    found: dict[str, None] = {}
    for key, value in rows:
        if _ADDRESS.fullmatch(key):
            found[key] = None
        elif _ANYBODY.fullmatch(key):
            found[f"somebody{key}"] = None
        elif domain and _LOCAL.fullmatch(key) and not _BEYOND.search(value):
            found[f"{key}@{domain}"] = None
        if len(found) == most:
            break
    return list(found)
