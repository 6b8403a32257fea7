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
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import is_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

CUT = "..."
_WORD = re.compile(r"[^\s\"'<>()\[\]{},;:=|]+", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9]+")
_LINE = re.compile(r"(?<=line )\d+\b", re.ASCII)
_SEVERAL = re.compile(r"\.\.\.(?:[^\sA-Za-z0-9\"]*\.\.\.)+", re.ASCII)
_QUOTED = re.compile(r'"([^"]*)"')
_NUMBER = 3
_IN_A_WORD = set(ascii_letters + digits)


def cut(text: str, known: Collection[str], says: Callable[[str], bool]) -> str:
    """Return the text with each word cut that is in none of the *known* texts and that Postfix itself never *says*."""
    numbers = {match.start() for match in _LINE.finditer(text)}

    def shown(match: re.Match[str]) -> str:
        return match[0] if match.start() in numbers or _may_stay(match[0], known, says) else CUT

    return _SEVERAL.sub(CUT, _WORD.sub(shown, text))


def cut_quotes(text: str, known: Collection[str], says: Callable[[str], bool]) -> str:
    """Return the text of a live log line, whose other words are about clients, with the quoted words cut so."""
    return _QUOTED.sub(lambda match: f'"{cut(match[1], known, says)}"', text)


def without_quotes(text: str) -> str:
    """Return the text with whatever is quoted cut: equal for one message, whatever may be quoted of it when."""
    return _QUOTED.sub(f'"{CUT}"', text)


def _may_stay(word: str, known: Collection[str], says: Callable[[str], bool]) -> bool:
    if any(_holds(text, word) for text in known):
        return True
    return word.isascii() and all(
        (is_digits(part) and len(part) <= _NUMBER) or says(part) or any(_holds(text, part) for text in known)
        for part in _PART.findall(word)
    )


def _holds(text: str, word: str) -> bool:
    """Return whether a word is in the text, not as part of a longer one."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not ({text[start - 1 : start], text[end : end + 1]} & _IN_A_WORD):
            return True
        start = text.find(word, start + 1)
    return False
