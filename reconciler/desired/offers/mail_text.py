"""Take parameters out of mail.yaml, or add them, and keep the comments beside what they explain. Pure; raises nothing.

Known limit: a key that can't be removed at its place, as in braces, stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.yaml_editor import drop, put, scalars
from reconciler.desired.yaml_reader import spans
from reconciler.features import parameters
from reconciler.model.ascii_text import SPACE, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Shorter(NamedTuple):
    """A text without some parameters, the *names* of these, and the lines of *comments* that stood above them."""

    text: str
    names: tuple[str, ...]
    comments: tuple[str, ...] = ()


def without(text: str, names: Iterable[str]) -> Shorter:
    """Return the text without these parameters, and without the comments right above them."""
    gone, comments = list[str](), list[str]()
    for name in names:
        start, key = _commented(text, name)
        told = text[start:key]
        try:
            text = drop(text[:start] + text[key:], (parameters.SECTION, name))
        except ValueError:
            continue
        gone.append(name)
        comments += [line.strip(SPACE) for line in split_lines(told)]
    return Shorter(text, tuple(gone), tuple(comments))


def without_unexplained(text: str, names: Iterable[str]) -> Shorter:
    """Return the text without those of the parameters that no comment explains."""
    return without(text, [name for name in names if len(set(_commented(text, name))) == 1])


def with_values(text: str, values: Mapping[str, str]) -> str | None:
    """Return the text with these parameters; None if it can't hold one of them."""
    for name, value in values.items():
        raw = next(iter(scalars(value)), None) if value else '""'
        if raw is None:
            return None
        try:
            text = put(text, (parameters.SECTION, name), raw)
        except ValueError:
            return None
    return text


def before_parameters(text: str, lines: Iterable[str]) -> str:
    """Return the text with these lines and a blank one above ``parameters``, or at its end."""
    try:
        at = spans(text)[(parameters.SECTION,)].key
    except (KeyError, ValueError):
        at = len(text)
    start = _comments_above(text, at)
    return text[:start] + "".join(f"{line}\n" for line in lines) + "\n" + text[start:]


def _commented(text: str, name: str) -> tuple[int, int]:
    """Return where the comments right above a parameter start, and where its own line does."""
    span = spans(text).get((parameters.SECTION, name))
    if span is None:
        return 0, 0
    line = text.rfind("\n", 0, span.key) + 1
    return _comments_above(text, line), line


def _comments_above(text: str, line: int) -> int:
    """Return where the comments right above a line start; that line itself if there are none."""
    while line:
        above = text.rfind("\n", 0, line - 1) + 1
        if not text[above:line].lstrip(SPACE).startswith("#"):
            break
        line = above
    return line
