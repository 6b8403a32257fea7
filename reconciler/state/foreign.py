"""The foreign files of the live directory: what a stage carries over because neither it nor what is live owns it.

A folder that was made for files of the target goes with the last of them, unless the host had it before adoption, or
something foreign is in it. Where such a folder was and something else is now, that is an edit by hand, and not foreign;
so is a folder in the place of a file, with all that is in it.

Promises: reads only, and follows no link. Raises OSError, and Unavailable for a folder in the place of a new file.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.host.ownership import is_folder
from reconciler.model.errors import Unavailable
from reconciler.state.manifest import compiled_name, folders_of, identity
from reconciler.state.old_maps import superseded
from reconciler.state.others import walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from reconciler.model import Tree
    from reconciler.state.manifest import Signature


def foreign(directory: Path, target: Tree, owned: Collection[str], original: Path | None) -> Iterator[str]:
    """Yield the foreign files below *directory*, each folder before its contents.

    *owned* is what the live generation owns, and *original* the folder with the host's files from before adoption.
    """
    folders, wanted = {*folders_of(owned)}, {*folders_of(target)}
    ours = {*target, *owned, *(compiled_name(path, file) for path, file in target.items())}
    ours |= superseded(target, directory, ours)
    ours |= {one for one in folders & wanted if not is_folder(directory / one)}
    found = [path for path in walk(directory, ours) if not _above(path, owned)]
    kept = {above for path in found if path not in folders for above in folders_of([path])} if folders else set()
    made = {one for one in folders - wanted - kept if not (original and (original / one).is_dir())}
    gone = {one for one in made if is_folder(directory / one)}
    for path in found:
        if taken := _above(path, target):
            raise Unavailable(f"{directory / taken} is a folder, and has the place of a file; move it away")
        if path not in gone:
            yield path


def identities(directory: Path, target: Tree, owned: Collection[str], original: Path | None) -> dict[str, Signature]:
    """Return the foreign files likewise, each with its identity; what is gone meanwhile, like a main.cf.tmp, is not."""
    found = {}
    for path in foreign(directory, target, owned, original):
        with suppress(FileNotFoundError):
            found[path] = identity(directory / path)
    return found


def _above(path: str, places: Collection[str]) -> str:
    """Return which of the places a path is in; empty if it is in none."""
    end = path.find("/")
    while end >= 0:
        if path[:end] in places:
            return path[:end]
        end = path.find("/", end + 1)
    return ""
