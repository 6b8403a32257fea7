"""One value of a YAML text is set or taken away, and the rest stays as it was written: comments, order, blanks.

put() and drop() work on the places that document.py knows, and never write a text anew. Both raise ValueError for a
text that is no YAML, and for what they can't do where it stands.

Known limits: a value that other keys share through an alias changes for all of them, and a mapping in braces loses no
key. Whoever calls reads the result, and sees whether it says what was meant.
"""

from __future__ import annotations

import re

from reconciler.desired.yaml_reader import Path, Span, read, spans
from reconciler.model import File

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\Z")
_STEP = 2


def put(text: str, path: Path, raw: str) -> str:
    """The text in which *path* holds the scalar *raw*; mappings on the way are made where there are none."""
    known = spans(text)
    depth = max((length for length in range(len(path) + 1) if path[:length] in known), default=0)
    if not known:
        return _ended(text) + _block(path, raw, 0) + "\n"
    span = known[path[:depth]]
    if depth == len(path):
        return _replaced(text, span, raw)
    if span.inside is None:
        raise ValueError(f'"{".".join(path[:depth])}" is no mapping')
    if span.flow:
        before = ", " if span.inside else ""
        return text[: span.end - 1].rstrip() + before + _flow(path[depth:], raw) + text[span.end - 1 :]
    column = known[(*path[:depth], span.inside[0])].column
    at = _line_end(text, span.end)
    head = _ended(text[:at])
    return f"{head}{' ' * column}{_block(path[depth:], raw, column)}\n{text[at:]}"


def drop(text: str, path: Path) -> str:
    """The text without that key, and without the mapping that it leaves empty."""
    known = spans(text)
    span, above = known.get(path), known.get(path[:-1])
    if span is None or above is None or above.inside is None or above.flow:
        raise ValueError(f'"{".".join(path)}" can\'t be taken away where it stands')
    if len(above.inside) == 1 and len(path) > 1:
        return drop(text, path[:-1])
    start = text.rfind("\n", 0, span.key) + 1
    if text[start : span.key].strip():
        raise ValueError(f'"{".".join(path)}" shares its line')
    return text[:start] + text[_line_end(text, span.end) :]


def scalars(value: str) -> list[str]:
    """The ways to write the value after a key, the plainest first; inside of braces only the last is sure to hold."""
    return [raw for raw in (value, "'" + value.replace("'", "''") + "'") if _reads_as(f"k: {raw}", {"k": value})]


def scalar(value: str) -> str:
    """The value as YAML text that reads back as that very value wherever it stands; raises ValueError."""
    for raw in scalars(value):
        if _reads_as(f"k: {{k: {raw}, l: m}}", {"k": {"k": value, "l": "m"}}):
            return raw
    raise ValueError("no scalar reads back as this value")


def _reads_as(text: str, meaning: object) -> bool:
    try:
        return bool(read("", File.of(f"{text}\n".encode()), []).value == meaning)
    except UnicodeEncodeError:
        return False


def _key(name: str) -> str:
    return name if _PLAIN_KEY.match(name) else "'" + name.replace("'", "''") + "'"


def _block(path: Path, raw: str, column: int) -> str:
    """A key and what stands below it: the first level by indentation, the others in braces."""
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
    """Where the line after the one around *at* begins; a block scalar ends there already."""
    if at and text[at - 1] == "\n":
        return at
    return text.find("\n", at) + 1 or len(text)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
