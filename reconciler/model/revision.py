"""A commit of the watched branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit of the watched branch; *oid* is its full hexadecimal name, *tree* the name of its tree.

    *trailers* are the lines of its message that read ``Name: value`` (git-interpret-trailers(1)).
    """

    oid: str
    tree: str
    author: str
    subject: str
    committed_at: datetime
    trailers: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """Return the first seven digits of the oid, as git prints them."""
        return self.oid[:7]
