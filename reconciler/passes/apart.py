"""The files of a commit when the change of a site is left out of it: that site's files come from what is live.

A site is left out with everything that belongs to it: sites/siteNN/, and its files in master.d, flows and secrets. A
generation records it in its manifest, and a pass that changed nothing in its conclusion. Reads only; raises what
reading a commit raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.features.site_files import site_of
from reconciler.model import Finding, Severity
from reconciler.state.source import SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.model import Revision, Tree
    from reconciler.state.manifest import Generation

RULE = "site-left-out"
_MOST = 20


@dataclass(frozen=True, slots=True)
class Apart:
    """The sites that are left out of a commit, and the *errors* for it, each with its site.

    *kept* has for each site the commit that its files come from; empty if nothing of the site is live.
    """

    kept: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[tuple[str, Finding], ...] = ()

    def warnings(self) -> Iterator[Finding]:
        """Yield for each error, at most _MOST for a site, that its site is left out because of it."""
        for name in self.kept:
            for error in [error for site, error in self.errors if site == name][:_MOST]:
                stays = "stays as it is live" if self.kept[name] else "nothing of it is live"
                yield Finding(
                    rule=RULE, where=error.where, text=f"{name} is left out and {stays}, because: {error.text}",
                    subject=name, severity=Severity.WARNING, lasting=error.lasting, also=error.also,
                )  # fmt: skip


NOTHING = Apart()


def left_out(revision: Revision, edges: Edges) -> Mapping[str, str]:
    """Return the sites that were left out of a commit when it went live or was found unchanged, as in Apart.kept."""
    live, last = edges.generations.live(), edges.journal.last()
    if live and live.revision == revision.oid:
        return live.kept
    return getattr(last.outcome, "left_out", {}) if last and last.revision == revision.oid else {}


def files_of(revision: Revision, edges: Edges, kept: Mapping[str, str] | None = None) -> Tree:
    """Return the files of a commit without the sites in *kept*, whose files are those of the commit named there.

    Without *kept*, they are the files that went live.
    """
    kept = left_out(revision, edges) if kept is None else kept
    if not kept:
        return edges.repo.read(revision)
    files = dict(edges.repo.read(revision, lambda path: site_of(path) in kept))
    for name, oid in kept.items():
        files |= _of_site(name, oid, edges)
    return files


def commit_of(live: Generation | None, edges: Edges) -> tuple[str, Mapping[str, str]]:
    """Return the commit that a generation's files are from, empty for none, and its Apart.kept; rollbacks lead back."""
    known = {one.number: one for one in edges.generations.all()} if live and not live.revision else {}
    while live and not live.revision:
        live = known.pop(live.source.number or 0, None) if live.source.kind is SourceKind.ROLLBACK else None
    return (live.revision, live.kept) if live else ("", {})


def _of_site(name: str, oid: str, edges: Edges) -> Tree:
    """Return a site's files in a commit; whatever other sites have there does not matter."""
    if not oid:
        return {}
    read = edges.repo.read(edges.repo.revision(oid), lambda path: site_of(path) not in {"", name})
    return files_by_site(read).get(name, {})


def files_by_site(files: Tree) -> dict[str, Tree]:
    """Return the files of each site."""
    found: dict[str, dict[str, object]] = {}
    for path, file in files.items():
        if name := site_of(path):
            found.setdefault(name, {})[path] = file
    return found  # type: ignore[return-value]


def live_files(name: str, edges: Edges) -> Tree:
    """Return a site's files as they are live; none if what is live comes from no commit."""
    revision, kept = commit_of(edges.generations.live(), edges)
    return _of_site(name, kept.get(name, revision), edges)


def names_in(findings: Iterable[Finding]) -> list[str]:
    """Return the sites that findings report as left out, in their order."""
    return list(dict.fromkeys(finding.subject for finding in findings if finding.rule == RULE))
