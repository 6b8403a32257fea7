"""The name that was probably meant, and the question that offers it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` where a close name exists, else nothing."""
    return meant(closest(word, known))


def meant(text: str | None) -> str:
    """Return ``; did you mean TEXT?``, or nothing without a text."""
    return f"; did you mean {text}?" if text else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that *word* was most likely meant to be, or None."""
    matches = get_close_matches(word.lower(), list(known), n=1, cutoff=0.75)
    return matches[0] if matches else None
