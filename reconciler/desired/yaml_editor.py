"""put() and drop() set or remove one value of a YAML text, and keep the rest as written: comments, order, blanks.

They edit the text at the positions that yaml_reader.spans() returns, and never generate the text again. A new key comes
after the last one of its section: before comments at its own indentation, and after deeper ones, which belong to what
is above. Both raise ValueError for a text that is not YAML, and for a change that is impossible at its place.

Known limits: a value that other keys share through an alias changes for all of them, and drop() can't remove a key from
a mapping in braces. The caller must read the result, and check that it has the intended value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.yaml_reader import Path, Span, read, spans
from reconciler.model import File
from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from reconciler.model import Finding

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\Z")
_STEP = 2


def put(text: str, path: Path, raw: str) -> str:
    """Return the text in which *path* has the scalar *raw*; add missing mappings on the way."""
    known = spans(text)
    depth = max((length for length in range(len(path) + 1) if path[:length] in known), default=0)
    if not known:
        return _inserted(text, len(text), _block(path, raw, 0))
    span = known[path[:depth]]
    if depth == len(path):
        return _replaced(text, span, raw)
    if span.inside is None:
        raise ValueError(f'"{".".join(path[:depth])}" is not a mapping')
    if span.flow:
        return _enclosed(text, span, known.get((*path[:depth], *span.inside[-1:])), _flow(path[depth:], raw))
    column = _indentation(text, known[(*path[:depth], span.inside[0])].key)
    return _inserted(text, _end_of_entry(text, span.end, column), _block(path[depth:], raw, column), column)


def _enclosed(text: str, span: Span, last: Span | None, new: str) -> str:
    """Return the text with a new entry in braces, right after the last one, which comments may follow."""
    if last is None or not span.start < last.end < span.end:  # empty braces, or an alias
        before = "" if text[span.start + 1 : span.end - 1].strip(SPACE) == "" else ", "
        return text[: span.end - 1].rstrip(SPACE) + before + new + text[span.end - 1 :]
    return f"{text[: last.end]}, {new}{text[last.end :]}"


def _inserted(text: str, at: int, lines: str, column: int = 0) -> str:
    """Return the text with more lines at the start of a line, with the line ends of the lines above."""
    head = _ended(text[:at])
    end = "\r\n" if head.endswith("\r\n") else "\n"
    return head + " " * column + lines.replace("\n", end) + end + text[at:]


def _indentation(text: str, key: int) -> int:
    """Return the indentation of the line of a key, which may begin with a question mark."""
    line = text[text.rfind("\n", 0, key) + 1 : key]
    return len(line) - len(line.lstrip(" "))


def _end_of_entry(text: str, end: int, column: int) -> int:
    """Return the start of the line after an entry that ends there, and after deeper comments, which belong to it."""
    at = _line_end(text, end)
    deeper = re.compile(rf"(?:[ \t]*\r?\n)* {{{column + 1},}}#[^\n]*(?:\n|\Z)")
    while match := deeper.match(text, at):
        at = match.end()
    return at


def drop(text: str, path: Path) -> str:
    """Return the text without that key, and without each mapping that becomes empty."""
    known = spans(text)
    span, above = known.get(path), known.get(path[:-1])
    if span is None or above is None or above.inside is None or above.flow:
        raise ValueError(f'"{".".join(path)}" can\'t be removed at its place')
    if len(above.inside) == 1 and len(path) > 1:
        return drop(text, path[:-1])
    start = text.rfind("\n", 0, span.key) + 1
    if text[start : span.key].strip(SPACE):
        raise ValueError(f'"{".".join(path)}" shares its line')
    return text[:start] + text[_line_end(text, span.end) :]


def scalars(value: str) -> list[str]:
    """Return the ways to write the value after a key, the plainest first; only the last is safe inside braces."""
    return [raw for raw in (value, "'" + value.replace("'", "''") + "'") if _reads_as(f"k: {raw}", {"k": value})]


def scalar(value: str) -> str:
    """Return the value as YAML text that reads back as the same value anywhere; raise ValueError if there is none."""
    for raw in scalars(value):
        if _reads_as(f"k: {{k: {raw}, l: m}}", {"k": {"k": value, "l": "m"}}):
            return raw
    raise ValueError("no scalar reads back as this value")


def _reads_as(text: str, meaning: object) -> bool:
    findings: list[Finding] = []
    try:
        return bool(read("", File.of(f"{text}\n".encode()), findings).value == meaning) and not findings
    except UnicodeEncodeError:
        return False


def _key(name: str) -> str:
    return name if _PLAIN_KEY.match(name) else "'" + name.replace("'", "''") + "'"


def _block(path: Path, raw: str, column: int) -> str:
    """Return a key and the value below it: the first level by indentation, the others in braces."""
    key, *rest = path
    if not rest:
        return f"{_key(key)}: {raw}"
    if column:
        return f"{_key(key)}: {{{_flow(tuple(rest), raw)}}}"
    return f"{_key(key)}:\n{' ' * _STEP}{_block(tuple(rest), raw, _STEP)}"


def _flow(path: Path, raw: str) -> str:
    key, *rest = path
    return f"{_key(key)}: {{{_flow(tuple(rest), raw)}}}" if rest else f"{_key(key)}: {raw}"


def _replaced(text: str, span: Span, raw: str) -> str:
    old = text[span.start : span.end]
    before = " " if text[: span.start].endswith(":") else ""
    return text[: span.start] + before + raw + ("\n" if old.endswith("\n") else "") + text[span.end :]


def _line_end(text: str, at: int) -> int:
    """Return the start of the line after the one around *at*; a block scalar already ends at the start of a line."""
    if at and text[at - 1] == "\n":
        return at
    return text.find("\n", at) + 1 or len(text)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
