"""Commit the removal of sites that a panel has removed, from the requests that hooks/site-removed writes to a folder.

Each request is a file of its own, so that none is lost: drain() deletes it when its commit is made, or when the site
has no settings left. A request that is refused, or that finds the repository busy, stays and is tried again. All
requests stay while the host is suspended, halted or not adopted, because a commit would end the suspension.
remove() raises what propose() raises; drain() raises nothing.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.desired.site_removal import removal
from reconciler.host.log import Event
from reconciler.model import errors_in, printable
from reconciler.model.errors import ReconcilerError, WithFindings
from reconciler.model.phase import Halted, Suspended
from reconciler.passes.apart import live_files
from reconciler.passes.internal_error import InternalError, internal_errors
from reconciler.passes.pending_removals import requests, why_pending
from reconciler.passes.propose import Nothing, Proposal, propose

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.host.log import Log
    from reconciler.passes.propose import Proposed

PANEL = "site-removed"
LONGEST = 20.0  # seconds that a burst of removals may occupy the daemon


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
    pending, busy = requests(edges), False
    if not pending or not edges.generations.adopted or isinstance(edges.journal.phase(), Suspended | Halted):
        return False
    until = time.monotonic() + LONGEST
    for site in sorted(pending, key=lambda site: why_pending(site, edges).exists()):  # pending removals come last
        if time.monotonic() > until:
            return True
        why = why_pending(site, edges)
        try:
            with internal_errors():
                proposed = remove(site, PANEL, edges)
                for path in (*pending[site], why):
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
