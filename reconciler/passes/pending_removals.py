"""The requests of a panel to remove sites, as they are on disk: those that wait, each with its reason.

Reads only. Raises OSError as the kernel gives it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.features.site_files import NAME

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges

_REQUEST = re.compile(r"(?P<site>site[0-9]+)-[0-9]+-[0-9]+")


def _folder(edges: Edges) -> Path:
    """Return the folder that holds the requests."""
    return edges.settings.state / "removals"


def why_pending(site: str, edges: Edges) -> Path:
    """Return the file with the reason why a removal is pending."""
    return _folder(edges) / f"{site}.waits"


def waiting(edges: Edges) -> list[str]:
    """Return a line for `status` for each pending removal, with its reason."""
    told = []
    for site in requests(edges):
        why = why_pending(site, edges)
        told.append(
            f"the removal of {site} is pending" + (f": {why.read_text('utf-8', 'replace')}" if why.is_file() else "")
        )
    return told


def requests(edges: Edges) -> dict[str, list[Path]]:
    """Return the request files of each site; other files in the folder are ignored."""
    found: dict[str, list[Path]] = {}
    try:
        paths = sorted(_folder(edges).iterdir())
    except (FileNotFoundError, PermissionError):
        return {}
    for path in paths:
        match = _REQUEST.fullmatch(path.name)
        if match and NAME.fullmatch(site := match["site"]):
            found.setdefault(site, []).append(path)
    return found
