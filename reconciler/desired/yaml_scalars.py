"""Scalars of YAML as a finding suggests them, and which text may be a password. Pure. Raises nothing."""

from __future__ import annotations

import re
from typing import Any

from reconciler.model.ascii_text import SPACE

_REFERENCE = re.compile(r"!secret [A-Za-z0-9][A-Za-z0-9_.-]*")
_NEXTHOP_KEY = re.compile(r"(?:nexthop|smart_host|relay|relayhost|transport|content_filter)\Z")
_NETWORK_KEY = re.compile(r"(?:networks|hosts|clients)\Z")
_SECRET_KEY = re.compile(
    r"(?:passw(?:or)?d|passphrase|secret|token|credentials?|(?:\A|[\s{,\"'_-])(?:pass|pwd|pw))[\"']?\s*:?\Z",
    re.IGNORECASE | re.ASCII,
)
_PRIVATE = re.compile(r"passw(?!d\.byname|ord_maps)|secret|_token\b|_pw\b", re.IGNORECASE | re.ASCII)
_ROWS = re.compile(r"\b(?:static|inline):", re.ASCII)
_NOT_PLAIN = re.compile(r"[-?:,\[\]{}#&*!|>'\"%@`\s]|.*(?::(?:\s|\Z)|\s#)", re.ASCII)


def counted(many: int, what: str) -> str:
    """Return ``1 line`` or ``2 lines``."""
    return f"{many} {what}{'' if many == 1 else 's'}"


class Bracketed(list[Any]):
    """A list in brackets, which may be a nexthop or an IPv6 address without quotes."""


def quoted(text: str) -> str:
    """Return the text as a quoted scalar."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def scalar(text: str) -> str:
    """Return the text as a scalar, in quotes only where YAML needs them."""
    return quoted(text) if not text or _NOT_PLAIN.match(text) else text


def one_text(key: str, items: list[Any]) -> str | None:
    """Return the likely text for a list where one text is expected, or None if it is unknown."""
    if not items or not all(isinstance(item, str) and item for item in items):
        return None
    if isinstance(items, Bracketed) and len(items) == 1 and _NEXTHOP_KEY.search(key):
        return f"[{items[0]}]"
    if isinstance(items, Bracketed) and _NETWORK_KEY.search(key):
        return ", ".join(f"[{item}]" if item.count(":") > 1 and item[0] != "[" else item for item in items)
    return ", ".join(items)


def is_secret(text: str) -> bool:
    """Return True if that key, or the line up to a value, shows that a password follows."""
    return bool(_SECRET_KEY.search(text.rstrip(f"{SPACE}[{{")))


def is_private(text: str) -> bool:
    """Return True if a text, with its key where it has one, may hold a password."""
    # A map of passwords names a file, unless its rows are in the value itself.
    return bool(_PRIVATE.search(text) or ("password_maps" in text and _ROWS.search(text)))


def may_show_password(key: str, value: object, text: str) -> bool:
    """Return True if a text repeats a value, or a value in it, that may be a password."""
    if isinstance(value, dict):
        return any(may_show_password(each, inner, text) for name, inner in value.items() for each in (key, str(name)))
    if isinstance(value, list):
        return any(may_show_password(key, inner, text) for inner in value)
    # A reference in quotes names a secret; what would show it is the hint to remove the quotes.
    is_shown = isinstance(value, str) and value.strip(SPACE) in text and not _REFERENCE.fullmatch(value) and bool(value)
    return is_shown and (is_secret(key) or is_private(f"{key}: {value}"))
