"""What is news for the log: what lasts is written once, and again only after it was over. Pure; raises nothing.

So each line of the journal with the priority of a warning is one thing that happened, however often passes meet it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class News:
    """Remembers what lasts, by the *source* that says so."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}

    def learn(self, source: str, lasting: Iterable[str]) -> None:
        """Learn what lasts as well, because it has been reported already."""
        self._known[source] = self._known.get(source, frozenset()) | frozenset(lasting)

    def begun(self, source: str, lasting: Iterable[str]) -> list[str]:
        """Return what was not there when that source was looked at before; an empty text is nothing."""
        now, before = list(dict.fromkeys(filter(None, lasting))), self._known.get(source, frozenset())
        self._known[source] = frozenset(now)
        return [one for one in now if one not in before]
