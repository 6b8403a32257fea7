"""Push to the remote what this host writes: commits for its branch, git notes, and the branch of hand edits.

A commit for the branch is pushed before anything here changes, because a mirror with commits of its own could not
follow the remote any more. So it is the remote that decides: a commit that it does not take is left on a branch of the
remote, for a person to merge, and nothing is live that the branch does not hold.

The refs of the mirror are the outbox of notes and hand edits: what the remote has is on record, and what differs is
pushed. So no failure loses one, and a pass never waits for a push. What somebody else did to a ref of the remote stays:
a branch that was rewound, rewritten or continued there is left alone. Raises RemoteFailed, Unavailable and OSError.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model.errors import ReconcilerError, Stopping, Unavailable
from reconciler.passes.drift import branch as branch_of_edits
from reconciler.passes.fetch import exchanging, rewritten
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
            remote.push(f"refs/heads/{pending}", f"refs/heads/{mirror.branch}", commit.parent)
        except Behind:
            fetched = remote.fetch()
            if fetched.rewritten:
                raise Unavailable(f"{rewritten(fetched, edges)}; see `reconciler status`") from None
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
            _replace(ref, old.oid if old else "", oid, remote)
        except Behind:
            return f"{why}; nothing was committed: somebody changed {where} on the remote; merge and remove it"
        except RemoteFailed as error:
            return f"{why}; nothing was committed: {error}"
        mirror.name(ref, oid)
    return f"{why}; the commit is on the remote's branch {where}: merge it there"


def _replace(ref: str, known: str, new: str, remote: Remote) -> None:
    """Have a ref that only this host writes name *new* instead of *known*; raise Behind if somebody else changed it.

    One that was removed there, as after a merge, is made again.
    """
    with suppress(Behind):
        remote.push(new, ref, known)
        return
    remote.push(new, ref, "")


def push_records(edges: Edges) -> str:
    """Push the notes and the hand edits that the remote does not have yet, each also if the other can't be pushed.

    Return what an administrator must know of where they are.
    """
    if edges.settings.url is None or edges.settings.push == "off":
        return ""
    fetches, told, problems = Fetches(edges.generations.private, edges.host), "", list[ReconcilerError | OSError]()
    with exchanging(edges) as (remote, mirror):
        edits = branch_of_edits(edges.settings)
        notes_now, edits_now = mirror.oid(NOTES), mirror.oid(f"refs/heads/{edits}")
        known = fetches.read()
        try:
            if edits_now not in {"", known.edits}:
                told = _push_edits(edits, edits_now, known.edits, remote, mirror)
                fetches.write(replace(fetches.read(), edits=edits_now))
        except Stopping:
            raise
        except (ReconcilerError, OSError) as error:
            problems.append(error)
        if notes_now not in {"", known.notes}:
            _push_notes(remote, mirror)
            fetches.write(replace(fetches.read(), notes=notes_now))
    if problems:
        raise problems[0]
    return told


def _push_edits(branch: str, now: str, known: str, remote: Remote, mirror: MirrorRepository) -> str:
    """Push hand edits; those that somebody changed on the remote stay, and this host's get a branch beside them."""
    ref = f"refs/heads/{branch}"
    try:
        _replace(ref, known, now, remote)
    except Behind:
        there = remote.at(ref)
        if there and _is_between(known, there, now, mirror):  # it was pushed, and the record of that was lost
            remote.push(now, ref, there)
            return ""
        if not there:  # it was removed just now
            raise
        beside = f"{branch}-{there[:7]}"
        remote.push(now, f"refs/heads/{beside}")
        return f"somebody changed {branch} on the remote: the hand edits of this host are on its branch {beside}"
    return ""


def _is_between(old: str, oid: str, new: str, mirror: MirrorRepository) -> bool:
    """Return whether a commit came after *old* on the way to *new*; the mirror need not have it."""
    return mirror.is_ancestor(oid, new) and (not old or mirror.is_ancestor(old, oid))


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
