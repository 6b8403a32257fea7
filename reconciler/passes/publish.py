"""Push to the remote what this host writes: commits for its branch, git notes, and the branch of hand edits.

A commit for the branch is pushed before anything here changes, because a mirror with commits of its own could not
follow the remote any more. So it is the remote that decides: a commit that it does not take is left on a branch of the
remote, for a person to merge, and nothing is live that the branch does not hold.

The refs of the mirror are the outbox of notes and hand edits: what the remote has is on record, and what differs is
pushed. So no failure loses one, and a pass never waits for a push. Raises RemoteFailed, Unavailable and OSError.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.errors import Unavailable
from reconciler.passes.drift import branch as branch_of_edits
from reconciler.passes.fetch import exchanging
from reconciler.repository.connection import RemoteFailed
from reconciler.repository.remote import Behind
from reconciler.repository.repo import NOTES
from reconciler.state.fetches import Fetches

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.repository.git import Commit
    from reconciler.repository.mirror import MirrorRepository
    from reconciler.repository.remote import Remote

PATIENCE = 60.0
"""Seconds that a commit waits for a fetch that is running."""
_OTHERS, _MERGED = "refs/notes/remote", "refs/notes/merged"
_ATTEMPTS = 3


def refusal(edges: Edges) -> str:
    """Return why this host can make no commit on its branch; empty if it can."""
    if edges.settings.url is None or edges.settings.push == "on":
        return ""
    return f"this host follows {edges.repo.branch} of {edges.settings.url}, and does not push to it: commit there"


def put(commit: Commit, edges: Edges) -> str | None:
    """Put a commit on the branch, the remote's first if there is one; return its name, or None if the branch moved."""
    if edges.settings.url is None:
        return edges.repo.commit(commit, edges.repo.branch)
    if why := refusal(edges):
        raise Unavailable(why)
    with exchanging(edges, PATIENCE) as (remote, mirror):
        pending = f"pending/{time.time_ns()}"
        oid = mirror.commit(commit, pending)
        if oid is None:
            raise Unavailable(f"can't commit on top of {commit.parent[:7]}")
        try:
            remote.push(f"refs/heads/{pending}", f"refs/heads/{mirror.branch}")
        except Behind:
            remote.fetch()
            return None
        except RemoteFailed as error:
            raise Unavailable(_kept(oid, error, remote, mirror, edges.settings.label)) from error
        finally:
            mirror.name(f"refs/heads/{pending}", "")
        mirror.move(commit.parent, oid)
        return oid


def _kept(oid: str, why: RemoteFailed, remote: Remote, mirror: MirrorRepository, host: str) -> str:
    """Leave a commit that the branch does not take on a branch of its own, once; return what to say."""
    where = f"reconciler/{host}"
    ref, new = f"refs/heads/{where}", mirror.revision(oid)
    old = mirror.at(ref)
    if old is None or (old.tree, old.subject) != (new.tree, new.subject):
        try:
            remote.push(oid, ref, force=True)
        except RemoteFailed as error:
            return f"{why}; nothing was committed: {error}"
        mirror.name(ref, oid)
    return f"{why}; the commit is on the remote's branch {where}: merge it there"


def push_records(edges: Edges) -> None:
    """Push the notes and the hand edits that the remote does not have yet."""
    if edges.settings.url is None or edges.settings.push == "off":
        return
    fetches = Fetches(edges.generations.private, edges.host)
    with exchanging(edges) as (remote, mirror):
        edits = f"refs/heads/{branch_of_edits(edges.settings)}"
        notes_now, edits_now = mirror.oid(NOTES), mirror.oid(edits)
        if edits_now not in {"", fetches.read().edits}:
            remote.push(edits, edits)
            fetches.write(replace(fetches.read(), edits=edits_now))
        if notes_now not in {"", fetches.read().notes}:
            _push_notes(remote, mirror)
            fetches.write(replace(fetches.read(), notes=notes_now))


def _push_notes(remote: Remote, mirror: MirrorRepository) -> None:
    """Push this host's notes; those of other hosts stay, by a merge that only the remote gets."""
    with suppress(Behind):
        remote.push(NOTES, NOTES)
        return
    for _ in range(_ATTEMPTS):
        remote.fetch_ref(NOTES, _OTHERS)
        mirror.merge_notes(_OTHERS, _MERGED)
        with suppress(Behind):
            remote.push(_MERGED, NOTES)
            return
    raise Unavailable("other hosts keep pushing notes to the remote")
