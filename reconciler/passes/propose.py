"""A change of the desired state that is made on the host: checked as a push is, and then a commit on the branch.

propose() refuses with the findings that the push would have met (WithFindings), makes no commit when nothing would
change on this host, and begins anew when somebody pushes meanwhile. Raises Unavailable when that never ends, NoBranch
without a branch, and what the functions that revise the files raise. Nothing that is live is touched.

Known limit: a change that makes no difference for this host makes no commit, also where other hosts read the file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.desired.overrides import overridden
from reconciler.host.effects import Host
from reconciler.model import File, Revision, printable
from reconciler.model.errors import Unavailable
from reconciler.passes.check import Memory, check, forget
from reconciler.passes.judge import understand
from reconciler.repository.git import Commit, trailers_in
from reconciler.repository.repo import Repository
from reconciler.trees.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.desired.overrides import Override
    from reconciler.model import Contribution, Facts, Finding, Plan, Tree

NO_NAME = "0" * 40  # as git names what is not there
_ATTEMPTS = 5
_MOST = 72


class ProposedRepository(Repository):
    """The repository with one more commit, which has no name yet: *files*, after *parent* if there is one."""

    def __init__(self, real: Repository, files: Tree, parent: Revision | None = None) -> None:
        super().__init__(real.path, real.branch, Host())
        self._files, self._parent = files, parent

    def read(self, revision: Revision) -> Tree:
        """Its files, or those of a real commit."""
        return self._files if revision.oid in ("", NO_NAME) else super().read(revision)

    def between(self, old: str, new: str) -> list[Revision]:
        """The commits that came after *old* and before *new*; a folder has no history."""
        if new not in ("", NO_NAME):
            return super().between(old, new)
        return [self._parent, *super().between(old, self._parent.oid)] if self._parent else []


@dataclass(frozen=True, slots=True)
class Proposed:
    """The commit that was made, what it changes here, and the doubts that it was checked with."""

    revision: Revision
    where: str
    plan: Plan
    findings: tuple[Finding, ...]
    overrides: list[Override]


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing would change, perhaps because of what prevails over it."""

    because: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that is asked for: *revise* makes the files that change, and *settled* knows that it holds already.

    A file that is None goes. *body* is what the message says of the files as they were, below its subject. What is
    *everywhere* is a commit also where it changes nothing on this host.
    """

    subject: str
    author: str
    revise: Callable[[Tree, str], Mapping[str, bytes | None]]
    settled: Callable[[Contribution, Facts], bool] = lambda _merged, _facts: False
    body: Callable[[Tree], str] = lambda _files: ""
    everywhere: bool = False


def propose(proposal: Proposal, edges: Edges) -> Proposed | Nothing:
    """Make the commit, unless nothing would change."""
    for _ in range(_ATTEMPTS):
        tip = edges.repo.required_tip()
        now = understand(tip, edges)
        files = edges.repo.read(tip)
        changed = {} if proposal.settled(now.origin, now.facts) else proposal.revise(files, edges.settings.host)
        if not changed:
            return Nothing()
        message = _message(proposal.subject, proposal.body(files))
        candidate = Revision(
            oid=NO_NAME, tree="", author=proposal.author, subject=proposal.subject, committed_at=datetime.now(UTC),
            trailers=trailers_in(message),
        )  # fmt: skip
        kept = {path: file for path, file in files.items() if path not in changed}
        after = kept | {path: File.of(content) for path, content in changed.items() if content is not None}
        inside, memory = replace(edges, repo=ProposedRepository(edges.repo, after, tip)), Memory()
        try:
            then = understand(candidate, inside)
            same = render(then.origin, edges.templates) == render(now.origin, edges.templates)
            if same and not proposal.everywhere:
                known = {override.below.name for override in overridden(now.desired, now.facts)}
                return Nothing(tuple(one for one in overridden(then.desired, now.facts) if one.below.name not in known))
            checked = check(candidate, inside, memory, known=then)
        finally:
            forget(inside, memory)
        commit = Commit(
            parent=tip.oid, author=proposal.author, written_at=time.time(), files=changed,
            message=message,
        )  # fmt: skip
        if oid := edges.repo.commit(commit, edges.repo.branch):
            where, plan = ", ".join(sorted(changed)), checked.judged.plan
            overrides = overridden(then.desired, then.facts)
            return Proposed(edges.repo.revision(oid), where, plan, checked.findings, overrides)
    raise Unavailable(f"another process keeps moving {edges.repo.branch}")


def _message(subject: str, body: str) -> str:
    """The subject line, the whole of a long one below, and the body."""
    line = printable(subject)
    first = line if len(line) <= _MOST else f"{line[: _MOST - 3]}...\n\n{line}"
    return f"{first}\n\n{body}" if body else f"{first}\n"
