"""Read main.cf with its comments: each setting with what stands above it and inside its continued value.

Promises: a value is the text that Postfix reads, blanks included, and where it is continued its line breaks remain. No
comment is lost: each belongs to the next setting, or is at the end. Bytes that are not UTF-8 are taken for Latin-1.
Pure; raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# What a line of YAML can't hold: control characters, other line ends, a byte order mark.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_PASSWORD = re.compile(
    r"(?:passw(?:or)?[dt]|secret|bind_?pw|credential)\w*[\"']?\s*[=:]\s*(?!(?:\w{1,20}:){0,3}[/$]|-o\b|\})[^\s]",
    re.IGNORECASE | re.ASCII,
)
Block = tuple[str, ...]


@dataclass(slots=True)
class Setting:
    """One ``name = value`` of main.cf with the *comments* that explain it, a block for each paragraph."""

    name: str
    value: str
    line: int
    comments: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class Commented:
    """The settings of main.cf in their order, equal names included; *end* are the comments below the last one.

    *unread* are the lines that are no setting. *transcoded* counts the lines with bytes that were not UTF-8.
    """

    settings: list[Setting] = field(default_factory=list)
    end: list[Block] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    transcoded: int = 0


def may_hold_password(text: str) -> bool:
    """Return whether a line seems to give a password; a file or a ``$name`` in its place is none."""
    return bool(_PASSWORD.search(text))


def read(content: bytes) -> Commented:
    """Read main.cf."""
    result, pending = Commented(), list[list[str]]()
    apart = True
    for number, raw in enumerate(content.split(b"\n"), 1):
        line, is_utf8 = _decoded(raw)
        result.transcoded += not is_utf8
        stripped = line.strip(SPACE)
        if stripped.startswith("#"):
            if apart:
                pending.append([])
            pending[-1].append(_UNFIT.sub("?", stripped))
        elif stripped:
            _add(result, line, number, [tuple(block) for block in pending])
            pending = []
        apart = not stripped.startswith("#")
    result.end = [tuple(block) for block in pending]
    for setting in result.settings:
        setting.value = setting.value.strip(SPACE)
    return result


def _add(result: Commented, line: str, number: int, comments: list[Block]) -> None:
    name, equals, value = line.partition("=")
    if line[0] in SPACE:
        if result.settings:
            result.settings[-1].value += f"\n{line}"
            result.settings[-1].comments += comments
        else:
            result.unread.append(number)
    elif equals:
        result.settings.append(Setting(name.strip(SPACE), value, number, comments))
    else:
        result.unread.append(number)


def _decoded(raw: bytes) -> tuple[str, bool]:
    """Return a line as text, and whether it was UTF-8."""
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("latin-1"), False


def as_utf8(comment: str) -> str:
    """Return a comment of a file that was read with surrogateescape as a file of YAML can hold it."""
    return _UNFIT.sub("?", _decoded(comment.encode("utf-8", "surrogateescape"))[0])


def comment_lines(content: bytes) -> Iterator[str]:
    """Yield the comments of a file, each line without blanks around it."""
    for raw in content.split(b"\n"):
        if (line := _decoded(raw)[0].strip(SPACE)).startswith("#"):
            yield line


def without_shipped(blocks: list[Block], shipped: Collection[str]) -> tuple[list[Block], int]:
    """Return the blocks that are not in the package's own main.cf, and the number of lines that are left out."""
    kept = [block for block in blocks if not all(line in shipped or line.strip("# \t") == "" for line in block)]
    return kept, sum(map(len, blocks)) - sum(map(len, kept))


def without_passwords(blocks: list[Block]) -> tuple[list[Block], int]:
    """Return the blocks without lines that may hold a password, and the number of those lines."""
    kept = [tuple(line for line in block if not may_hold_password(line)) for block in blocks]
    return [block for block in kept if block], sum(map(len, blocks)) - sum(map(len, kept))
