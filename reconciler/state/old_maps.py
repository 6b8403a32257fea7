"""The compiled maps that maps of another type take the place of, as sasl_passwd.lmdb takes that of sasl_passwd.db.

Nothing reads the old map any more, but it still holds its rows, also those with passwords. So it is not carried as a
foreign file when the new one is made. It returns with the settings that name it, from the files that they are from.

Promises: an old map stays as long as a setting names it, or another instance of Postfix may. Raises OSError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.host.effects import named
from reconciler.model import File
from reconciler.postfix.references import SUFFIXES, names_table
from reconciler.state.manifest import compiled_name, digest
from reconciler.state.others import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from reconciler.model import Tree

_OTHERS = "multi_instance_directories"


def superseded(target: Tree, directory: Path, known: Collection[str]) -> frozenset[str]:
    """Return the files in *directory*, except *known* ones, whose place a new map of *target* takes."""
    old = {
        (kind, path): path + suffix
        for path, file in target.items()
        if file.compiled and not (directory / compiled_name(path, file)).exists()
        for kind, suffixes in SUFFIXES.items()
        for suffix in filter(None, suffixes)
        if path + suffix not in known and (directory / (path + suffix)).is_file()
    }
    texts = _settings(target) if old else []
    if any(_OTHERS in text for text in texts):
        return frozenset()
    named = {old[kind, path] for kind, path in old if any(names_table(text, kind, path) for text in texts)}
    return frozenset(old.values()) - named


def returning(target: Tree, root: Path, carried: Callable[[str], bool]) -> frozenset[str]:
    """Return the maps in *root* that settings of *target* name, with their sources, unless *carried* or in *target*."""
    texts, made = _settings(target), {compiled_name(path, file) for path, file in target.items()}
    named = {
        (path, name)
        for path in walk(root)
        for name, _, suffix in (path.rpartition("."),)
        for kind, suffixes in SUFFIXES.items()
        if f".{suffix}" in suffixes and path not in made and any(names_table(text, kind, name) for text in texts)
    }
    wanted = {path for pair in named for path in pair if path not in target}
    return frozenset(path for path in wanted if not carried(path) and (root / path).is_file())


def _settings(target: Tree) -> list[str]:
    files = [target[name] for name in ("main.cf", "master.cf") if name in target]
    return [file.read().decode("utf-8", "replace") for file in files]


def with_maps(target: Tree, root: Path, directory: Path, known: Collection[str]) -> Tree:
    """Return *target* with the maps in *root* that it names, unless they are in *directory* and not *known*."""

    def is_carried(path: str) -> bool:
        return path not in known and (directory / path).exists()

    return {**target, **{path: as_file(root / path) for path in returning(target, root, is_carried)}}


def as_file(path: Path) -> File:
    """Return a file on disk with its rights and its content, which is read when it is asked for."""
    status = path.stat()
    owner = named(status.st_uid, status.st_gid)
    return File(digest(path), status.st_mode & 0o7777, owner, path.read_bytes)
