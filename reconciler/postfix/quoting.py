"""Quote of a message of Postfix only what its reader may know: the words of Postfix itself, and those of the commit.

A program that can't understand a line of a file quotes it. The author of a commit may name any file of the host, so a
message may hold what stands in a private key, a password file or another person's list. cut() keeps each word that the
commit contains or that Postfix's programs say by themselves, such as the name of the file, the line and the kind of
mistake, and drops every other word. Pure. Raises nothing.

Known limit: numbers of at most three digits stay, for they are codes of replies, lines and signals.
"""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import TYPE_CHECKING, AnyStr

from reconciler.model.ascii_text import is_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from collections.abc import Set as AbstractSet

    Texts = Collection[str | bytes]
    """What may be quoted; a large table is its bytes, of which no copy is made."""

CUT = "..."
_WORD = re.compile(r"[^\s\"'<>()\[\]{},;:=|]+", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9]+")
_LINE = re.compile(r"(?<=line )\d+\b", re.ASCII)
_SEVERAL = re.compile(r"\.\.\.(?:[^\sA-Za-z0-9\"]*\.\.\.)+", re.ASCII)
_QUOTED = re.compile(r'"([^"]*)"')
_NUMBER = 3
_IN_A_WORD = frozenset(ascii_letters + digits)
_BYTES_IN_A_WORD = frozenset(one.encode() for one in _IN_A_WORD)


def cut(text: str, known: Texts, says: Callable[[str], bool]) -> str:
    """Return the text with each word cut that is in none of the *known* texts and that Postfix itself never *says*."""
    numbers = {match.start() for match in _LINE.finditer(text)}

    def shown(match: re.Match[str]) -> str:
        return match[0] if match.start() in numbers or _may_stay(match[0], known, says) else CUT

    return _SEVERAL.sub(CUT, _WORD.sub(shown, text))


def cut_quotes(text: str, known: Texts, says: Callable[[str], bool]) -> str:
    """Return the text of a live log line, whose other words are about clients, with the quoted words cut so."""
    return _QUOTED.sub(lambda match: f'"{cut(match[1], known, says)}"', text)


def without_quotes(text: str) -> str:
    """Return the text with whatever is quoted cut: equal for one message, whatever may be quoted of it when."""
    return _QUOTED.sub(f'"{CUT}"', text)


def _may_stay(word: str, known: Texts, says: Callable[[str], bool]) -> bool:
    if _is_known(word, known):
        return True
    return word.isascii() and all(
        (is_digits(part) and len(part) <= _NUMBER) or says(part) or _is_known(part, known)
        for part in _PART.findall(word)
    )


def _is_known(word: str, known: Texts) -> bool:
    encoded = word.encode("utf-8", "surrogateescape")
    return any(
        _holds(text, encoded, _BYTES_IN_A_WORD) if isinstance(text, bytes) else _holds(text, word, _IN_A_WORD)
        for text in known
    )


def _holds(text: AnyStr, word: AnyStr, in_a_word: AbstractSet[AnyStr]) -> bool:
    """Return whether a word is in the text, not as part of a longer one."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not ({text[start - 1 : start], text[end : end + 1]} & in_a_word):
            return True
        start = text.find(word, start + 1)
    return False
