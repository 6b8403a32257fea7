"""Suggestions of the name that was probably meant. Raises nothing."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` if a similar name exists, else an empty text."""
    return meant(closest(word, known))


def meant(text: str | None) -> str:
    """Return ``; did you mean TEXT?``, or an empty text if *text* is empty or None."""
    return f"; did you mean {text}?" if text else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to *word*, or None."""
    matches = get_close_matches(word.lower(), list(known), n=1, cutoff=0.75)
    return matches[0] if matches else None
