"""Make the first commit of a host that runs already, or compare one that is there, and prove that nothing would change.

Promises: reads only; what it returns can be written, or not. A commit whose plan is not empty, or that a check would
refuse, is not equal. Raises Unavailable and OSError for a directory that can't be read, and CommandFailed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.desired.load import load
from reconciler.desired.move_in import write
from reconciler.features.composition import compose
from reconciler.host.facts import gather
from reconciler.model import File, Revision, errors_in
from reconciler.model.errors import Unavailable, WithFindings
from reconciler.passes.judge import LiveCommit, judge, permit
from reconciler.passes.proof import prove
from reconciler.passes.propose import ProposedRepository
from reconciler.passes.survey import of_place, survey
from reconciler.repository.secrets import open_secrets
from reconciler.trees.render import render

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.model import Finding, Plan, Tree
    from reconciler.passes.proof import Line
    from reconciler.passes.survey import Left


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveIn:
    """The *files* of a commit, and what was found out about them.

    *remarks* come first for a reader, then the *proof*. *notes* and *left* say what is not in the commit, or not as it
    was. *plan* is the commit's plan on this host; None for another host's files. *findings* are those of its check.
    """

    files: Tree
    remarks: tuple[str, ...] = ()
    proof: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
    plan: Plan | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Return whether nothing would change."""
        unchanged = self.plan is None or self.plan.empty
        proven = bool(self.proof) and all(line.holds for line in self.proof)
        return proven and unchanged and not errors_in(self.findings)


def move_in(directory: Path, edges: Edges, given: Tree | None = None) -> MoveIn:
    """Compare the files that are *given*, or those of a first commit, with a configuration directory.

    A directory that is not this host's own is a copy of another host's.
    """
    for name in ("main.cf", "master.cf"):
        if not (directory / name).is_file():
            raise Unavailable(f"{directory / name} is missing: there is no configuration of Postfix to import")
    is_copy = directory != edges.settings.config_directory
    facts = gather(edges.host, edges.settings)
    looked = survey(directory, facts, edges.host, is_copy=is_copy)
    place = () if is_copy else of_place(directory, edges.generations.link)
    report = MoveIn(files=given or {}, remarks=(*place, *looked.remarks), left=looked.left)
    if given is None:
        written = write(looked.found)
        files = {path: File.of(content) for path, content in written.files.items()}
        report = replace(report, files=files, notes=written.notes, findings=written.problems)
    if errors_in(report.findings):
        return report
    try:
        desired = load(report.files, edges.settings.host, open_secrets(report.files, edges.settings.identity)[0])
        origin = compose(desired, facts)
        proof = prove(directory, render(origin, edges.templates), origin, edges.host)
        report = replace(report, proof=tuple(proof))
        return report if is_copy else _planned(report, edges)
    except WithFindings as error:
        return replace(report, findings=tuple(error.findings))


def _planned(report: MoveIn, edges: Edges) -> MoveIn:
    """Return the report with the plan and the findings that the commit would have on this host."""
    inside = replace(edges, repo=ProposedRepository(edges.repo, report.files))
    revision = Revision(oid="", tree="", author="", subject="import", committed_at=datetime.now(UTC))
    live = LiveCommit(inside)
    judged = permit(judge(revision, inside, live), live, inside.repo)
    return replace(report, plan=judged.plan, findings=judged.findings)
