"""What is known of the large files of tables, by the names of their blobs: a push that changes none of them reads none.

Only files are known in whose text clean() finds no fault. Memory is bounded, as for all that was found in the past
(past.py); a file that is not known is read. Raises nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.past import Past
from reconciler.model.postfix import Unread
from reconciler.postfix.table_parts import SMALLEST

if TYPE_CHECKING:
    from reconciler.model import File

_MOST = 256


class KnownFile(NamedTuple):
    """What is known of a file: its length, its lines, as a budget counts them, and the sha256 of its bytes."""

    length: int
    lines: int
    digest: str


_kept: Past[KnownFile] = Past(_MOST)


def keep(file: File, content: bytes) -> None:
    """Keep what is to be known of a file without a fault, if it is large."""
    if len(content) >= SMALLEST:
        known = KnownFile(len(content), content.count(b"\n") + 1, hashlib.sha256(content).hexdigest())
        _kept.keep(file.digest, known)


def known_of(file: File) -> KnownFile | None:
    """Return what is known of a file; None if it is small or was not seen, or if a fault was found in it."""
    return _kept.used(file.digest)


def source_of(file: File) -> bytes | Unread:
    """Return the source of a table that is that file alone."""
    known = known_of(file)
    return Unread(file.read, known.length, known.digest) if known else file.read()


def lines_of(file: File) -> int:
    """Return how many lines a file has, as a budget counts them."""
    known = known_of(file)
    return known.lines if known else file.read().count(b"\n") + 1
