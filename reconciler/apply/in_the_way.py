"""Find what has the place of a file that the commit deploys: a link, a folder, or what another user may change.

Nothing is written through a link, and a file of another user's stays his. Reads only; raises OSError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.host.ownership import is_of_others, rights
from reconciler.model import Finding
from reconciler.state.manifest import folders_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.model import Contribution


def in_the_way(origin: Contribution, edges: Edges) -> Iterator[Finding]:
    """Yield an error for each file of the commit that can't have its place."""
    live, directory = edges.generations.live(), edges.settings.config_directory
    owned = live.files if live else {}
    ours = {*owned, *folders_of(owned)}
    for path, made in sorted(origin.files.items()):
        if reason := _reason(path, ours, directory):
            text = f"{made.source} can't become {directory / path}: {reason}; move that away, or rename the file"
            yield Finding(rule="file-in-the-way", where=made.where, text=text, subject=path, lasting=False)


def _reason(path: str, ours: Collection[str], directory: Path) -> str:
    for folder in folders_of([path]):
        if folder not in ours and (reason := _of_another(directory / folder, is_folder=True)):
            return reason
    return "" if path in ours else _of_another(directory / path, is_folder=False)


def _of_another(place: Path, *, is_folder: bool) -> str:
    """Return why a place can't be a folder, or a file, of the commit; empty if it is free, or is one of root's."""
    if place.is_symlink():
        return f"{place} is a link to {place.readlink()}, and nothing is written through a link"
    if not place.exists():
        return ""
    if place.is_dir() != is_folder:
        return f"{place} is a {'folder' if place.is_dir() else 'file'}"
    if not is_folder and not place.is_file():
        return f"{place} is a device, a socket or a pipe"
    return f"another user may change {place} ({rights(place)})" if is_of_others(place) else ""
