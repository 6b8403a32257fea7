"""Commit a change of the desired state that is made on the host, after the same check as for a push.

propose() refuses the change with the findings that a push would get (WithFindings), makes no commit when nothing would
change on this host, and starts again when the branch moves meanwhile. Raises Unavailable when the branch keeps moving,
NoBranch without a branch, and what the functions that revise the files raise. Nothing live is touched.

Known limit: a change that makes no difference for this host makes no commit, also where other hosts read the file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from reconciler.desired.overrides import overridden
from reconciler.host.effects import Host
from reconciler.model import File, Revision, printable
from reconciler.model.errors import Unavailable
from reconciler.passes.check import Memory, check, forget
from reconciler.passes.isolation import Isolation, brought_by
from reconciler.passes.judge import LiveCommit
from reconciler.passes.publish import put, refusal
from reconciler.passes.understand import understand
from reconciler.repository.git import Commit, trailers_in
from reconciler.repository.repo import Repository
from reconciler.trees.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.desired.overrides import Override
    from reconciler.model import Contribution, Facts, Finding, Plan, Tree
    from reconciler.passes.apart import Apart
    from reconciler.passes.understand import Understood
    from reconciler.postfix.root_equivalent import Power

NO_NAME = "0" * 40  # git's name for a missing object
_ATTEMPTS = 5
_MOST = 72


class ProposedRepository(Repository):
    """The repository with one more commit that is not in git yet: *files*, on top of *parent* if there is one."""

    def __init__(self, real: Repository, files: Tree, parent: Revision | None = None) -> None:
        super().__init__(real.path, real.branch, Host())
        self._files, self._parent = files, parent

    def read(self, revision: Revision, without: Callable[[str], bool] | None = None) -> Tree:
        """Return the proposed files, or the files of a real commit."""
        if revision.oid in ("", NO_NAME):
            return {path: file for path, file in self._files.items() if not (without and without(path))}
        return super().read(revision, without)

    def between(self, old: str, new: str) -> list[Revision]:
        """The commits that came after *old* and before *new*; a folder has no history."""
        if new not in ("", NO_NAME):
            return super().between(old, new)
        return [self._parent, *super().between(old, self._parent.oid)] if self._parent else []


@dataclass(frozen=True, slots=True)
class Proposed:
    """The commit that was made, its changes on this host, the rights that it gives, and the warnings of its check."""

    revision: Revision
    where: str
    plan: Plan
    findings: tuple[Finding, ...]
    overrides: list[Override]
    powers: tuple[Power, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing would change, for example because another setting prevails over the proposed one."""

    because: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A requested change: *revise* returns the changed files, and *settled* tells whether it is in effect already.

    A file with the value None is removed. *body* makes the message below the subject from the files before the change.
    A change that applies *everywhere* is committed even if it changes nothing on this host.
    """

    subject: str
    author: str
    revise: Callable[[Tree, str], Mapping[str, bytes | None]]
    settled: Callable[[Contribution, Facts], bool] = lambda _merged, _facts: False
    body: Callable[[Tree], str] = lambda _files: ""
    everywhere: bool = False


def propose(proposal: Proposal, edges: Edges) -> Proposed | Nothing:
    """Make the commit, unless nothing would change."""
    if why := refusal(edges):
        raise Unavailable(why)
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
            isolation = Isolation(candidate, inside, LiveCommit(inside), brought_by(candidate, tip, inside))
            then = isolation.run(partial(_understood, candidate, inside))
            same = render(then.origin, edges.templates) == render(now.origin, edges.templates)
            if same and not proposal.everywhere:
                known = {override.below.name for override in overridden(now.desired, now.facts)}
                return Nothing(tuple(one for one in overridden(then.desired, now.facts) if one.below.name not in known))
            checked = check(candidate, inside, memory, base=tip)
        finally:
            forget(inside, memory)
        commit = Commit(
            parent=tip.oid, author=proposal.author, written_at=time.time(), files=changed,
            message=message,
        )  # fmt: skip
        if oid := put(commit, edges):
            where, plan = ", ".join(sorted(changed)), checked.judged.plan
            overrides = overridden(then.desired, then.facts)
            return Proposed(edges.repo.revision(oid), where, plan, checked.findings, overrides, checked.judged.powers)
    raise Unavailable(f"another process keeps updating the branch {edges.repo.branch}")


def _understood(candidate: Revision, edges: Edges, apart: Apart) -> Understood:
    return understand(candidate, edges, apart.kept)


def _message(subject: str, body: str) -> str:
    """Return the message: the subject line, the full text of a long one below it, and the body."""
    line = printable(subject)
    first = line if len(line) <= _MOST else f"{line[: _MOST - 3]}...\n\n{line}"
    return f"{first}\n\n{body}" if body else f"{first}\n"
