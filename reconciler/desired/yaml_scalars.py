"""Scalars of YAML, as a person is told to write them, and what may be a password. Pure. Raises nothing."""

from __future__ import annotations

import re
from typing import Any

from reconciler.model.ascii_text import SPACE

_NEXTHOP_KEY = re.compile(r"(?:nexthop|smart_host|relay|relayhost|transport|content_filter)\Z")
_NETWORK_KEY = re.compile(r"(?:networks|hosts|clients)\Z")
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
    return bool(
        re.search(r"(?:passw(?:or)?d|secret|credentials?)[\"']?\s*:?\Z", text.rstrip(SPACE), re.IGNORECASE | re.ASCII)
    )


def is_private(text: str) -> bool:
    """Return True if a text may hold a password."""
    return bool(re.search(r"passw(?!d\.byname|ord_maps)|secret", text, re.IGNORECASE | re.ASCII))
