"""Documents of YAML files, kept by the names of their blobs: of thousands of sites, a push changes one.

read() returns what yaml_reader.read() would. What is kept is small, and bounded as all that was found in the past is
(past.py). A document with a finding or an allowance is read again each time. Of a document that fits the schema of its
section, what the schema makes of it is kept, with the places in it, which EntryPlaces unpacks only if one is asked for.
Raises what yaml_reader.read() raises.
"""

from __future__ import annotations

import marshal
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.desired import yaml_reader
from reconciler.desired.yaml_reader import Document
from reconciler.desired.yaml_scalars import Bracketed
from reconciler.model import RememberedPlaces, SecretName, Where
from reconciler.model.past import Past

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.desired.budget import Budget
    from reconciler.model import File, Finding, Tree

_MOST = 20_000
_LARGEST = 4096  # bytes of a document that is kept
_WITHOUT_REFERENCES = 2  # a version of marshal's format in which equal values have the same bytes
_LIST, _BRACKETED, _SECRET = "list", "bracketed", "secret"


class KnownEntry(NamedTuple):
    """A document as it is kept, how many *places* it has, and what the schema of a *section* makes of it, if anything.

    It has no findings, no allowances and, if it has a section, neither a null nor the name of a secret. What is packed
    of it are then the places alone.
    """

    packed: bytes
    places: int
    section: str = ""
    value: object = None


_kept: Past[KnownEntry] = Past(_MOST)
_alike: Past[bytes] = Past(256)
"""Packed places, which are the same in files that were written alike."""


def read(path: str, file: File, findings: list[Finding], budget: Budget) -> Document:
    """Return the document of a file, from memory if its content was read before without a finding."""
    known = _kept.used(file.digest)
    if known and not known.section:
        document = _unpacked(known.packed, path)
        budget.take_values(len(document.places) + 1, Where(path))
        return document
    told = len(findings)
    document = yaml_reader.read(path, file, findings, budget)
    if len(findings) == told and not document.allowances:
        packed = _packed(document)
        if len(packed) <= _LARGEST:
            _kept.keep(file.digest, KnownEntry(packed, len(document.places)))
    return document


def valid(entries: Mapping[yaml_reader.Path, str], files: Tree, budget: Budget) -> dict[yaml_reader.Path, KnownEntry]:
    """Return what is known of those files that fit the schemas of the entries' sections; *entries* have their paths."""
    kept = _kept.used_each([files[path].digest for path in entries.values()])
    known = {entry: one for entry, one in zip(entries, kept, strict=True) if one and one.section == entry[0]}
    if known:
        budget.take_known([one.places + 1 for one in known.values()], [entries[entry] for entry in known])
    return known


def keep_valid(section: str, file: File, value: object) -> KnownEntry | None:
    """Keep what the schema of a section makes of a file, if its document is kept; nothing was found in either."""
    known = _kept.used(file.digest)
    if known and not known.section:
        _, places, _ = marshal.loads(known.packed)  # noqa: S302 - from _packed() alone
        packed = _alike.shared(marshal.dumps(places, _WITHOUT_REFERENCES))
        known = known._replace(packed=packed, section=section, value=value)
        _kept.keep(file.digest, known)
    return known if known and known.section == section else None


def has_read(file: File) -> bool:
    """Return whether the content of a file was read as YAML, and nothing was found in it."""
    return _kept.used(file.digest) is not None


class EntryPlaces(RememberedPlaces):
    """The places of a commit: *written* ones, and those in *entries*, which are files that are known by their keys.

    Of a file that is known since it was read for this commit, the written places are not held.
    """

    def __init__(
        self, written: dict[yaml_reader.Path, Where], entries: Mapping[yaml_reader.Path, tuple[str, KnownEntry]]
    ) -> None:
        self._written = {path: where for path, where in written.items() if path[:2] not in entries}
        self._entries = entries
        self._unpacked: dict[yaml_reader.Path, dict[yaml_reader.Path, Where]] = {}

    def __getitem__(self, key: yaml_reader.Path) -> Where:
        """Return the place of a key."""
        return self._of(key[:2])[key]

    def __iter__(self) -> Iterator[yaml_reader.Path]:
        """Yield all keys, those of the known files last."""
        yield from self._written
        for entry in self._entries:
            yield from self._of(entry)

    def __len__(self) -> int:
        """Return how many places there are."""
        return len(self._written) + sum(known.places + 1 for _, known in self._entries.values())

    def origins(self, section: str, names: Iterable[str]) -> list[object | None]:
        """Return the documents of known files by the keys of a section."""
        found = map(self._entries.get, zip(repeat(section), names), repeat((None, None)))
        return [known for _, known in found]

    def _of(self, entry: yaml_reader.Path) -> Mapping[yaml_reader.Path, Where]:
        """Return the places that are written where that entry is."""
        if entry not in self._entries:
            return self._written
        if entry not in self._unpacked:
            path, known = self._entries[entry]
            inside = _placed(marshal.loads(known.packed), path)  # noqa: S302 - from keep_valid() alone
            self._unpacked[entry] = {entry: Where(path)} | {entry + place: where for place, where in inside.items()}
        return self._unpacked[entry]


def _packed(document: Document) -> bytes:
    places, keys = (
        [(key, where.line, where.column) for key, where in kind.items()] for kind in (document.places, document.keys)
    )
    return marshal.dumps((_plain(document.value), places, keys))


def _unpacked(packed: bytes, path: str) -> Document:
    value, *kinds = marshal.loads(packed)  # noqa: S302 - from _packed() alone
    places, keys = (_placed(kind, path) for kind in kinds)
    return Document(_valued(value), places, keys)


def _placed(kind: list[tuple[yaml_reader.Path, int, int]], path: str) -> dict[yaml_reader.Path, Where]:
    return {key: Where(path, line, column) for key, line, column in kind}


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
