"""Text as Postfix reads it: only ASCII has spaces, line ends and digits.

Python's own methods follow Unicode: splitlines() ends a line at U+2028 and U+0085, strip() and split() take U+00A0 as a
space, and isdigit() takes "²" as a digit that int() then refuses. In text that others wrote, each would read another
line, word or number than Postfix does. Pure; raises nothing.
"""

from __future__ import annotations

import re

SPACE = " \t\n\v\f\r"
"""What isspace(3) takes for a space in the C locale, for strip() and its like."""
NON_ASCII = r"\x80-\U0010ffff"
"""All other characters, inside a class of a regular expression: names of domains may have them."""
_SPACES = re.compile(f"[{SPACE}]+")


def split_lines(text: str, *, keepends: bool = False) -> list[str]:
    r"""Return the lines of a text, each ended by ``\n`` alone; with *keepends*, together with that."""
    lines = text.split("\n")
    ended = [f"{line}\n" for line in lines[:-1]] if keepends else lines[:-1]
    return [*ended, lines[-1]] if lines[-1] else ended


def split_words(text: str, most: int = -1) -> list[str]:
    """Return the words of a text; with *most*, the text after so many of them is the last, and keeps its spaces."""
    if text.isascii() and text.isprintable():  # most texts are; str.split() is ten times faster
        return text.split(None, most)
    text = text.lstrip(SPACE)
    words = _SPACES.split(text.rstrip(SPACE) if most < 0 else text, max(most, 0))
    return [word for word in words if word]


def is_digits(text: str) -> bool:
    """Return whether a text is one or more of the digits 0 to 9, so that int() reads it."""
    return text.isascii() and text.isdigit()
