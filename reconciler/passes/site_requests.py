"""Commit the removal of sites that a panel has removed, from the requests that hooks/site-removed writes to a folder.

Each request is a file of its own, so that none is lost: drain() deletes it when its commit is made, or when the site
has no settings left. A request that is refused, or that finds the repository busy, stays and is tried again. All
requests stay while the host is suspended, halted or not adopted, because a commit would end the suspension.
remove() raises what propose() raises; drain() raises nothing.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.desired.site_removal import removal, site_named
from reconciler.host.log import Event
from reconciler.model import errors_in, printable
from reconciler.model.errors import ReconcilerError, WithFindings
from reconciler.model.phase import Halted, Suspended
from reconciler.passes.apart import live_files
from reconciler.passes.internal_error import InternalError, internal_errors
from reconciler.passes.propose import Nothing, Proposal, propose

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.host.log import Log
    from reconciler.passes.propose import Proposed

PANEL = "site-removed"
_REQUEST = re.compile(r"(?P<site>site[0-9]+)-[0-9]+-[0-9]+")
LONGEST = 20.0  # seconds that a burst of removals may occupy the daemon


def folder(edges: Edges) -> Path:
    """Return the folder that holds the requests."""
    return edges.settings.state / "removals"


def _why(site: str, edges: Edges) -> Path:
    """Return the file with the reason why a removal is pending."""
    return folder(edges) / f"{site}.waits"


def remove(site: str, author: str, edges: Edges) -> Proposed | Nothing:
    """Commit the removal of everything that belongs to a site."""
    live = live_files(site, edges)
    proposal = Proposal(
        subject=f"Remove {site}", author=author, everywhere=True,
        revise=lambda files, _host: removal(files, site, live).files,
        body=lambda files: removal(files, site, live).body,
    )  # fmt: skip
    return propose(proposal, edges)


def drain(edges: Edges, log: Log) -> bool:
    """Carry out the panel's requests; return whether a retry soon may succeed."""
    requests, busy = _requests(edges), False
    if not requests or not edges.generations.adopted or isinstance(edges.journal.phase(), Suspended | Halted):
        return False
    until = time.monotonic() + LONGEST
    for site in sorted(requests, key=lambda site: _why(site, edges).exists()):  # pending removals come last
        if time.monotonic() > until:
            return True
        why = _why(site, edges)
        try:
            with internal_errors():
                proposed = remove(site, PANEL, edges)
                for path in (*requests[site], why):
                    edges.host.remove(path)
        except (ReconcilerError, OSError) as error:
            busy = busy or not isinstance(error, WithFindings)
            _wait(why, error, edges, log)
        else:
            made = "" if isinstance(proposed, Nothing) else proposed.revision.short
            log.info(Event.SITE_REMOVED, site=site, revision=made)
    return busy


def _reason(error: ReconcilerError | OSError) -> str:
    if isinstance(error, WithFindings):
        return str(next(iter(errors_in(list(error.findings))), error))
    return printable(str(error))


def _wait(why: Path, error: ReconcilerError | OSError, edges: Edges, log: Log) -> None:
    """Keep the reason for status; the same reason is logged once."""
    reason = _reason(error)
    if not why.is_file() or why.read_text("utf-8", "replace") != reason:
        with suppress(OSError):  # on a full disk only the log holds the reason
            edges.host.replace(why, reason.encode("utf-8", "replace"))
        log.warning(Event.REMOVAL_WAITS, site=why.stem, why=reason)
        if isinstance(error, InternalError):
            log.info(Event.FAILED, site=why.stem, traceback=error.traceback)


def waiting(edges: Edges) -> list[str]:
    """Return a line for `status` for each pending removal, with its reason."""
    told = []
    for site in _requests(edges):
        why = _why(site, edges)
        told.append(
            f"the removal of {site} is pending" + (f": {why.read_text('utf-8', 'replace')}" if why.is_file() else "")
        )
    return told


def _requests(edges: Edges) -> dict[str, list[Path]]:
    """Return the request files of each site; other files in the folder are ignored."""
    found: dict[str, list[Path]] = {}
    try:
        paths = sorted(folder(edges).iterdir())
    except (FileNotFoundError, PermissionError):
        return {}
    for path in paths:
        match = _REQUEST.fullmatch(path.name)
        if match and (site := site_named(match["site"])):
            found.setdefault(site, []).append(path)
    return found
