"""The DKIM keys that a commit names, and what each needs next. Raises InvalidSource if the commit can't be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.load import load
from reconciler.features.dkim import section as dkim
from reconciler.features.dkim.rolling import standings

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.features.dkim.rolling import Standing
    from reconciler.model import Tree

_ELSEWHERE = ("sites/", "tables/", "flows/")
"""Where nothing says anything about a key; on a large host, nearly all of a commit is there."""


def standing(files: Tree, host: str, now: datetime) -> list[Standing]:
    """Return the state of each key."""
    asked = {path: file for path, file in files.items() if not path.startswith(_ELSEWHERE)}
    section = load(asked, host, {}).section(dkim.Schema)
    return standings(section, now) if section and section.enabled else []
