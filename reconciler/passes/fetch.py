"""Fetch from the remote that this host follows, and keep on record what came of it, for status and for the next pass.

Promises: one exchange with the remote at a time on this host. Nothing is held that a pass needs, so a remote that does
not answer delays none. A failure is on record until a fetch works, with when it began if it may end by itself.
Raises what Remote.fetch() raises, and Unavailable while another exchange lasts, or for a host that follows no remote.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.model.errors import ReconcilerError, Stopping, Unavailable
from reconciler.passes.status_value import RemoteState
from reconciler.repository.connection import TIMEOUT
from reconciler.repository.mirror import MirrorRepository
from reconciler.repository.remote import Remote
from reconciler.state.fetches import Fetches
from reconciler.state.locks import held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.apply.edges import Edges
    from reconciler.repository.remote import Fetched

NOT_REMOTE = "this host follows no remote: repository.url is not set"
AGAIN = "reconciler fetch"
ACCEPT = "reconciler fetch --accept-rewrite"


@contextmanager
def exchanging(edges: Edges, patience: float = 2 * TIMEOUT) -> Iterator[tuple[Remote, MirrorRepository]]:
    """Yield the remote and its mirror, while no other exchange runs; *patience* is how many seconds to wait for it."""
    url, repo = edges.settings.url, edges.repo
    if url is None or not isinstance(repo, MirrorRepository):
        raise Unavailable(NOT_REMOTE)
    edges.generations.prepare()
    with held(edges.generations.private / "fetching", "another fetch is running", patience):
        yield Remote(url, edges.settings, edges.host, repo), repo


def fetch(edges: Edges, *, accept_rewrite: bool = False, patience: float = 2 * TIMEOUT) -> Fetched:
    """Fetch once, and record it; *patience* is how many seconds to wait for another fetch."""
    with exchanging(edges, patience) as (remote, _):
        fetches = Fetches(edges.generations.private, edges.host)

        def accept(oid: str) -> None:  # on record before the branch moves, which wakes the daemon
            fetches.write(replace(fetches.read(), accepted=oid))

        try:
            fetched = remote.fetch(accept if accept_rewrite else None)
        except Stopping:
            raise
        except (ReconcilerError, OSError) as error:
            known, advice = fetches.read(), getattr(error, "advice", AGAIN)
            since = (known.since if known.problem else _now()) if getattr(error, "passes", True) else ""
            fetches.write(replace(known, problem=str(error), advice=advice, since=since))
            raise
        problem = rewritten(fetched, edges) if fetched.rewritten else ""
        fetches.write(replace(fetches.read(), at=_now(), problem=problem, advice=ACCEPT * bool(problem), since=""))
    return fetched


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def rewritten(fetched: Fetched, edges: Edges) -> str:
    """Return what to say of a remote whose history was rewritten."""
    new, old = fetched.rewritten[:7], fetched.before[:7]
    return f"the remote's {edges.repo.branch} was rewritten: {new} does not contain {old}, which this host follows"


def accepts(edges: Edges, tip: str) -> bool:
    """Return whether an operator accepted the rewritten history that leads to the commit *tip*."""
    if edges.settings.url is None:
        return False
    accepted = Fetches(edges.generations.private, edges.host).read().accepted
    return bool(accepted) and edges.repo.is_ancestor(accepted, tip)


def remote_state(edges: Edges) -> RemoteState | None:
    """Return what is known of the remote; None for a host that follows none."""
    if edges.settings.url is None:
        return None
    record = Fetches(edges.generations.private, edges.host).read()
    at, since = record.at or None, record.since or None
    return RemoteState(url=str(edges.settings.url), at=at, problem=record.problem, since=since, next=record.advice)
