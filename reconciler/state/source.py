"""Describe where the files of a generation come from, as a value; on disk and for people it is a short text.

Promises: every text that an earlier version wrote can be read, and is written again unchanged. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """The kind of a generation's source; its folder has this name if it has no commit."""

    COMMIT = "commit"
    ADOPTED = "adopted"
    ROLLBACK = "rollback"
    RESCUE = "rescue"
    BACK = "back"  # from a commit on probation
    UNREADABLE = "unreadable"  # its manifest can't be read
    OTHER = "other"  # the text of another version of reconciler


_WORDS = {
    SourceKind.COMMIT: "commit",
    SourceKind.ADOPTED: "adopted",
    SourceKind.ROLLBACK: "rollback of",
    SourceKind.RESCUE: "rescue",
    SourceKind.BACK: "back to",
    SourceKind.UNREADABLE: "unreadable manifest",
    SourceKind.OTHER: "",
}
_COMMIT = re.compile(r"commit ([0-9a-f]+)")
_NUMBERED = re.compile(r"(rollback of|back to) (0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a generation: the short *name* of a commit, or the *number* of the generation rolled back to.

    For OTHER, *name* is the whole text.
    """

    kind: SourceKind
    number: int | None = None
    name: str = ""

    def __str__(self) -> str:
        number = "" if self.number is None else str(self.number)
        return " ".join(filter(None, (_WORDS[self.kind], number, self.name)))


def source_from(text: str) -> Source:
    """Read the text that str() wrote, in this version or an earlier one."""
    if match := _COMMIT.fullmatch(text):
        return Source(SourceKind.COMMIT, name=match[1])
    if match := _NUMBERED.fullmatch(text):
        kind = SourceKind.BACK if match[1] == _WORDS[SourceKind.BACK] else SourceKind.ROLLBACK
        return Source(kind, number=int(match[2]))
    known = {words: kind for kind, words in _WORDS.items() if words}
    return Source(known[text]) if text in known else Source(SourceKind.OTHER, name=text)
