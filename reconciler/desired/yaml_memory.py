"""Documents of YAML files, kept by the names of their blobs: of thousands of sites, a push changes one.

read() returns what yaml_reader.read() would. What is kept is small, and bounded as all that was found in the past is
(past.py). A document with a finding or an allowance is read again each time. Raises what yaml_reader.read() raises.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

from reconciler.desired import yaml_reader
from reconciler.desired.yaml_reader import Document
from reconciler.desired.yaml_scalars import Bracketed
from reconciler.model import SecretName, Where
from reconciler.model.past import Past

if TYPE_CHECKING:
    from reconciler.desired.budget import Budget
    from reconciler.model import File, Finding

_MOST = 20_000
_LARGEST = 4096  # bytes of a document that is kept
_LIST, _BRACKETED, _SECRET = "list", "bracketed", "secret"
_kept: Past[bytes] = Past(_MOST)


def read(path: str, file: File, findings: list[Finding], budget: Budget) -> Document:
    """Return the document of a file, from memory if its content was read before without a finding."""
    if known := _kept.used(file.digest):
        document = _unpacked(known, path)
        budget.take_values(len(document.places) + 1, Where(path))
        return document
    told = len(findings)
    document = yaml_reader.read(path, file, findings, budget)
    if len(findings) == told and not document.allowances:
        packed = _packed(document)
        if len(packed) <= _LARGEST:
            _kept.keep(file.digest, packed)
    return document


def has_read(file: File) -> bool:
    """Return whether the content of a file was read as YAML, and nothing was found in it."""
    return _kept.used(file.digest) is not None


def _packed(document: Document) -> bytes:
    places, keys = (
        [(key, where.line, where.column) for key, where in kind.items()] for kind in (document.places, document.keys)
    )
    return marshal.dumps((_plain(document.value), places, keys))


def _unpacked(packed: bytes, path: str) -> Document:
    value, *kinds = marshal.loads(packed)  # noqa: S302 - from _packed() alone
    places, keys = ({key: Where(path, line, column) for key, line, column in kind} for kind in kinds)
    return Document(_valued(value), places, keys)


def _plain(value: Any) -> Any:  # noqa: ANN401 - YAML's values
    """Return a value without types of our own: a list begins with what it stands for."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_BRACKETED if isinstance(value, Bracketed) else _LIST, *map(_plain, value)]
    return [_SECRET, value.name] if isinstance(value, SecretName) else value


def _valued(value: Any) -> Any:  # noqa: ANN401 - YAML's values
    if isinstance(value, dict):
        return {key: _valued(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    kind, *inner = value
    if kind == _SECRET:
        return SecretName(*inner)
    return (Bracketed if kind == _BRACKETED else list)(map(_valued, inner))
