"""Find what has the place of a file or of a link that a commit makes: a link, a folder, what another user may change.

Nothing is written through a link, a file of another user's stays his, and no folder goes with foreign files in it. The
folder of a link outside of Postfix's folder is root's, and is never made.
Reads only; raises OSError.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.ownership import is_folder, is_of_others, rights
from reconciler.model import Finding
from reconciler.postfix.references import SUFFIXES
from reconciler.state.manifest import folders_of
from reconciler.state.others import walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.model import Contribution, Where
    from reconciler.state.outer_links import OuterLinks

_LIVE = "/live/postfix/"


def in_the_way(origin: Contribution, edges: Edges) -> Iterator[Finding]:
    """Yield an error for each file, link and table of the commit that can't have its place."""
    live, directory = edges.generations.live(), edges.settings.config_directory
    owned: Collection[str] = live.files if live else ()
    folders = folders_of(owned)
    ours = {*owned, *folders}
    for path, made in sorted(origin.files.items()):
        if reason := _filled(path, ours, directory) if path in folders else _reason(path, ours, directory):
            yield _finding(made.source, made.where, directory / path, reason, path)
        if made.link and (reason := _of_link(Path(made.link), edges.generations.outer_links)):
            text = f"{made.source} can't have the link {made.link}: {reason}"
            yield Finding(rule="file-in-the-way", where=made.link_where, text=text, subject=path, lasting=False)
    for path, table in sorted(origin.tables.items()):
        for name in (path, *(path + suffix for suffix in SUFFIXES.get(table.type, ()) if suffix)):
            if reason := _filled(name, ours, directory) if name in folders else _is_folder(name, ours, directory):
                yield _finding(f"table {path}", table.where, directory / name, reason, path)


def _finding(what: str, where: Where, place: Path, reason: str, subject: str) -> Finding:
    text = f"{what} can't become {place}: {reason}; move that away, or rename the file"
    return Finding(rule="file-in-the-way", where=where, text=text, subject=subject, lasting=False)


def _filled(path: str, ours: Collection[str], directory: Path) -> str:
    """Return what is foreign in a folder of ours that is to become a file; empty if nothing is."""
    left = next((name for name in walk(directory / path) if f"{path}/{name}" not in ours), "")
    return f"{directory / path} is a folder, and {left} in it is not reconciler's" if left else ""


def _is_folder(path: str, ours: Collection[str], directory: Path) -> str:
    """Return that a folder is there; an empty one, such as Debian's /etc/postfix/sasl, has nothing to lose."""
    place = directory / path
    return f"{place} is a folder" if path not in ours and is_folder(place) and any(walk(place)) else ""


def _of_link(link: Path, links: OuterLinks) -> str:
    """Return why there can be no link to a file of the commit; empty if there can be one."""
    for folder in reversed(link.parents):
        if not os.path.lexists(folder):
            return f"{folder} is missing; make it as root"
        if reason := _of_another(folder, is_folder=True):
            return f"{reason}; the folder of a link, and all above it, must be root's alone"
    if not os.access(link.parent, os.W_OK):
        return f"{link.parent} can't be written here; run `deploy/install` again, which lets the daemon write there"
    if link.is_symlink():
        is_of_another = _LIVE in str(link.readlink()) and not links.is_ours(link)
        return f"another instance has it, and it leads to {link.readlink()}" if is_of_another else ""
    return f"{link} is no file; move that away" if link.exists() and not link.is_file() else ""


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
