"""The branch as an operator sees it: its tip, the distance from what is live, and the result of the last pass for it.

Raises OSError when the journal can't be read. A repository that can't be read gives a branch without a tip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Revision
    from reconciler.state.manifest import Generation
    from reconciler.state.records import Conclusion


class Branch(TypedDict):
    """The branch: *tip* is its commit, *ahead* the number of commits after the one that is live.

    *outcome* and *at*, in UTC, are those of the last pass for the tip; both are empty if no pass has looked at it.
    """

    name: str
    tip: str
    subject: str
    ahead: int
    outcome: str
    at: str


def branch_of(edges: Edges, live: Generation | None, last: Conclusion | None) -> Branch:
    """Return the state of the branch; *last* is the newest conclusion."""
    name = edges.settings.branch
    try:
        tip = edges.repo.tip()
        ahead = _ahead(edges, live, tip) if tip else 0
    except ReconcilerError:
        tip, ahead = None, 0
    if tip is None:
        return Branch(name=name, tip="", subject="", ahead=0, outcome="", at="")
    ended = last if last and last.revision == tip.oid else edges.journal.last(tip.oid)
    return Branch(
        name=name,
        tip=tip.oid,
        subject=tip.subject,
        ahead=ahead,
        outcome=type(ended.outcome).__name__ if ended else "",
        at=f"{ended.at:%Y-%m-%dT%H:%M:%SZ}" if ended else "",
    )


def _ahead(edges: Edges, live: Generation | None, tip: Revision) -> int:
    if live is None or not live.revision or live.revision == tip.oid:
        return 0
    return len(edges.repo.between(live.revision, tip.oid)) + 1
