"""Numbers in text of others: Python refuses to read thousands of digits, and reads more digits than Postfix does.

Raises nothing.
"""

from __future__ import annotations

from reconciler.model.ascii_text import is_digits

LARGE = 10**20
"""Stands for every number that has more digits, and for digits that Postfix does not know."""
_DIGITS = 20


def as_number(text: str) -> int:
    """Return the number that the digits of *text* write, after a sign if there is one, or LARGE."""
    digits = text.lstrip("+-")
    value = int(digits) if len(digits) <= _DIGITS and is_digits(digits) else LARGE
    return -value if text.startswith("-") else value
