"""The branch as an operator sees it: its tip, the distance from what is live, and the result of the last pass for it.

Raises OSError when the journal can't be read. A repository that can't be read gives a branch without a tip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.errors import ReconcilerError
from reconciler.passes.status_value import Branch

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Revision
    from reconciler.state.records import Conclusion


def branch_of(edges: Edges, in_force: str, last: Conclusion | None) -> Branch:
    """Return the state of the branch; *in_force* is the newest commit that went live or changed nothing here."""
    name, repository = edges.settings.branch, str(edges.settings.repository)
    try:
        tip = edges.repo.required_tip()
        ahead = _ahead(edges, in_force, tip)
    except ReconcilerError as error:
        problem = str(error)
        return Branch(
            name=name, tip="", subject="", ahead=0, outcome="", at="", repository=repository, problem=problem
        )  # fmt: skip
    ended = last if last and last.revision == tip.oid else edges.journal.last(tip.oid)
    return Branch(
        name=name,
        tip=tip.oid,
        subject=tip.subject,
        ahead=ahead,
        outcome=type(ended.outcome).__name__ if ended else "",
        at=f"{ended.at:%Y-%m-%dT%H:%M:%SZ}" if ended else "",
        repository=repository,
        problem="",
    )


def _ahead(edges: Edges, in_force: str, tip: Revision) -> int:
    return len(edges.repo.between(in_force, tip.oid)) + 1 if in_force not in {"", tip.oid} else 0


def known_revision(revision: str, edges: Edges) -> Revision | None:
    """Return the commit of that name, or None if the repository does not hold it any more."""
    try:
        return edges.repo.revision(revision) if revision else None
    except ReconcilerError:
        return None
