"""Where the files of a generation come from, as a value; on disk and for people it is a few words.

Promises: every text that was ever written is read, and written again as it was. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """What made a generation; its folder is named so where no commit names it."""

    COMMIT = "commit"
    ADOPTED = "adopted"
    ROLLBACK = "rollback"
    RESCUE = "rescue"
    BACK = "back"  # from a commit on probation
    UNREADABLE = "unreadable"  # its manifest can't be read
    OTHER = "other"  # the words of another version of reconciler


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
    """What made a generation: of a commit its short *name*, of a way back the *number* of the generation.

    Of OTHER, *name* is all the words.
    """

    kind: SourceKind
    number: int | None = None
    name: str = ""

    def __str__(self) -> str:
        number = "" if self.number is None else str(self.number)
        return " ".join(filter(None, (_WORDS[self.kind], number, self.name)))


def source_from(text: str) -> Source:
    """Read the words that str() wrote, in this version or an earlier one."""
    if match := _COMMIT.fullmatch(text):
        return Source(SourceKind.COMMIT, name=match[1])
    if match := _NUMBERED.fullmatch(text):
        kind = SourceKind.BACK if match[1] == _WORDS[SourceKind.BACK] else SourceKind.ROLLBACK
        return Source(kind, number=int(match[2]))
    known = {words: kind for kind, words in _WORDS.items() if words}
    return Source(known[text]) if text in known else Source(SourceKind.OTHER, name=text)
