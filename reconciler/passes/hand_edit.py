"""Record hand edits: who made them, and with drift policy ``commit`` a commit on the branch drift/HOST.

Of an instance, that branch is drift/HOST@NAME.

find() runs before the pass changes anything and returns a Found. Once the edited generation is no longer live, its
files can't change any more, and keep() turns the Found into a Kept: one commit of all differences, on top of the commit
that was live, or on top of drift/HOST while that branch holds unmerged edits. Until then the generation is marked and
never pruned, so that an unwritable repository or a killed daemon loses no edit; the next pass tries again.

Raises OSError from the file system. If an edit can't be committed, *trouble* holds the reason and the pass goes on.
Known limits: an edit of a generation without a commit (after a rollback) is committed on top of the branch's tip. A
write through a file that an editor opened before the swap is lost once the generation has been kept. A rollback drops
the edits that ignore rules had left in place.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.desired.from_live import HostInputs, RepositoryEdit, express, message, state
from reconciler.host.attribution import SOMEBODY, Attribution, look
from reconciler.model import Change, Kind, printable
from reconciler.model.errors import ReconcilerError, Unavailable, WithFindings
from reconciler.passes.apart import files_of, left_out
from reconciler.passes.drift import branch, drift, file_in, held, ignored
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.understand import complete, understand
from reconciler.passes.unowned import as_adopted
from reconciler.repository.git import Commit
from reconciler.repository.repo import UnknownRevision
from reconciler.state.generations import NOT_A_FILE
from reconciler.state.manifest import PENDING, digest
from reconciler.state.records import Edited
from reconciler.trees.plan import diff

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import File, Revision, Tree
    from reconciler.repository.repo import Repository
    from reconciler.state.generations import Generations
    from reconciler.state.journal import Journal
    from reconciler.state.manifest import Generation

SAME = "Edit-Id"
MOST_NAMED = 4
NOTHING = "nothing to keep"
_ATTEMPTS = 5


def only_ignored(revision: Revision, edges: Edges) -> bool:
    """Return whether ignore rules cover all edits, so that a pass has nothing to revert."""
    if not held(edges.settings.drift_ignore):
        return False
    plan = judge(revision, edges, LiveCommit(edges)).plan
    return state(plan.live) == state(plan.target)


# ---- before anything is touched --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """The hand edits that a pass found in the generation that was live *before* it, and their author."""

    files: tuple[str, ...] = ()
    by: Attribution | None = None
    before: Generation | None = None


def find(edges: Edges) -> Found:
    """Find the edited files and the author of the edit; with policy ``commit``, mark the generation as not kept yet."""
    live = edges.generations.live()
    files = drift(live, edges)
    if live is None or not files:
        return Found(files, before=live)
    by = look(live.root, files)
    if edges.settings.drift_policy == "commit" and live.edit != PENDING:
        edges.generations.mark(live, PENDING)
    return Found(files, by, live)


# ---- once nothing can change in it any more --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """The result of the edits *found*: the *files* that were reverted, and the names *left* in place from now on.

    *commit* on *branch* holds the edit if the policy keeps it; *trouble* is the reason when there is no commit yet.
    """

    found: Found = Found()
    files: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    commit: str = ""
    branch: str = ""
    trouble: str = ""

    @property
    def record(self) -> Edited:
        """The hand edit in the form that the journal stores."""
        before = self.found.before
        return Edited(
            files=self.files, left_alone=self.left, by=self.found.by, generation=before.number if before else None,
            kept=self.commit, kept_on=self.branch, not_kept=self.trouble,
        )  # fmt: skip

    @property
    def is_news(self) -> bool:
        """Whether there is anything to record."""
        return bool(self.files or self.left or self.commit)


def keep(found: Found, edges: Edges) -> Kept:
    """Work out the result of the pass; with policy ``commit``, commit every edited generation before the live one."""
    live = edges.generations.live()
    if live is None:
        return Kept(found, found.files)
    found = _looked_again(found, live, edges.generations)
    left = tuple(name for name in live.carried if found.before and name not in found.before.carried)
    kept = Kept(found, _put_back(found, live, edges), left)
    return _committed(kept, live, edges) if edges.settings.drift_policy == "commit" else kept


def _looked_again(found: Found, live: Generation, generations: Generations) -> Found:
    """Return *found*, or the edits that were made between find() and the swap."""
    before = found.before
    if before is None or found.files or live.path == before.path:
        return found
    files = generations.edited(before)
    return Found(files, look(before.root, files), before) if files else found


def _put_back(found: Found, live: Generation, edges: Edges) -> tuple[str, ...]:
    """Return the edited files, without those that were left in place unchanged."""
    before = found.before
    if before is None or not found.files:
        return found.files
    if live.path == before.path:
        left = {file_in(name) for name in ignored(live, edges.settings.drift_ignore)}
        return () if set(found.files) <= left else found.files
    was, is_ = edges.generations.content(before), edges.generations.content(live)
    left = {file_in(name) for name in live.carried}
    return tuple(path for path in found.files if path not in left or not _means_the_same(path, was, is_))


def _committed(kept: Kept, live: Generation, edges: Edges) -> Kept:
    """Return *kept* with the commit of each generation whose edit was in no commit yet."""
    generations, before = edges.generations, kept.found.before
    if before and before.path != live.path:
        now = generations.get(before.path)
        if now.path.is_dir() and not now.edit and generations.edited(now):  # edited while the pass ran
            generations.taint(now)
            generations.mark(generations.get(now.path), PENDING)
    for edited in reversed(generations.all()):
        if edited.edit == PENDING and edited.path != live.path:
            kept = _with_commit(kept, edited, live, edges)
    return kept


def _with_commit(kept: Kept, edited: Generation, live: Generation, edges: Edges) -> Kept:
    """Return *kept* with the commit made of that generation, or with the reason why it could not be made."""
    where = branch(edges.settings)
    try:
        oid = _commit(edited, live, _who(edited, kept.found, edges.journal), edges)
        edges.generations.mark(edited, oid or NOTHING)
    except WithFindings as error:
        return replace(kept, trouble=f"can't commit to {where}: {error.findings[0]}")
    except (ReconcilerError, OSError, ValueError) as error:
        return replace(kept, trouble=str(error))
    return replace(kept, commit=oid, branch=where) if oid else kept


def _who(edited: Generation, found: Found, journal: Journal) -> Attribution:
    """Return who edited that generation: found in this pass, recorded by an earlier pass, or unknown."""
    if found.by and found.before and found.before.path == edited.path:
        return found.by
    for conclusion in journal.conclusions():
        told = conclusion.edited
        if told and told.by and told.generation == edited.number:
            return replace(told.by, at=edited.path.stat().st_mtime)
    return Attribution(who=SOMEBODY, at=edited.path.stat().st_mtime)


def _means_the_same(path: str, was: Tree, is_: Tree) -> bool:
    one, other = ({path: tree[path]} if path in tree else {} for tree in (was, is_))
    return state(one) == state(other)


# ---- the commit ------------------------------------------------------------------------------------------------------


def _commit(edited: Generation, live: Generation, by: Attribution, edges: Edges) -> str:
    """Commit the edit of a generation to the branch; return the commit's name, empty when there is nothing to keep."""
    now_live = _revision(edited, edges.repo)
    commit = complete(understand(now_live, edges))
    inputs = HostInputs(facts=commit.facts, templates=edges.templates, secrets=commit.desired.secrets)
    base, content = _both(edited, live, now_live, inputs, edges)
    damaged = _damaged(edited, edges.generations)
    if not diff(base, content).changes and not damaged:
        return ""
    name, where = _identity(now_live, base, content, damaged), branch(edges.settings)
    for _ in range(_ATTEMPTS):
        parent = _parent(now_live, where, edges.repo)
        if f"{SAME}: {name}" in parent.trailers:
            return parent.oid
        said = express(base, content, files_of(parent, edges, left_out(now_live, edges)), inputs, live.carried)
        said = replace(said, changes=(*said.changes, *damaged))
        if not said.changes:
            return ""
        text = message(_subject(said, by, edges.settings.host), said, _about(edited, now_live, by), [f"{SAME}: {name}"])
        made = Commit(parent=parent.oid, author=_author(by), written_at=by.at, message=text, files=said.files)
        if oid := edges.repo.commit(made, where):
            return oid
    raise Unavailable(f"another process keeps updating the branch {where}")


def _revision(edited: Generation, repo: Repository) -> Revision:
    """Return the commit that was live; the tip if there was none (after a rollback) or it does not exist any more."""
    if edited.revision:
        with suppress(UnknownRevision):  # the branch was rewritten meanwhile
            return repo.revision(edited.revision)
    return repo.required_tip()


def _parent(now_live: Revision, where: str, repo: Repository) -> Revision:
    """Return the parent of the new commit: the tip of the unmerged edits, else the commit that was live."""
    kept = repo.tip(where)
    return kept if kept and not repo.is_ancestor(kept.oid, now_live.oid) else now_live


def _both(
    edited: Generation, live: Generation, now_live: Revision, inputs: HostInputs, edges: Edges
) -> tuple[Tree, Tree]:
    """Return the edited files of a generation, before and after the edit."""
    generations = edges.generations
    ended = {file_in(name) for name in edited.carried if name not in live.carried}
    rendered = inputs.rendered(files_of(now_live, edges))[0]
    content = generations.content(edited)
    base: dict[str, File] = {}
    for path in {*generations.edited(edited), *ended}:
        record = edited.files[path]
        if record.made_from:
            continue
        before = None if path in ended else _pristine(path, edited, generations)
        if before or path in rendered:
            base[path] = before or rendered[path]
    found = {path: content[path] for path in base if path in content and content[path].digest != NOT_A_FILE}
    return base, found


def _pristine(path: str, edited: Generation, generations: Generations) -> File | None:
    """Return the file as the manifest records it, from a generation or the originals that still hold it."""
    record = edited.files[path]
    if original := as_adopted(path, edited, generations):
        return original
    for one in generations.all():
        file = one.root / path
        if one.files.get(path) == record and file.is_file() and digest(file) == record.sha256:
            return one.owned()[path]
    return None


def _damaged(edited: Generation, generations: Generations) -> tuple[Change, ...]:
    """Return the compiled maps that changed while their source did not: the content of such a map is unknown."""
    paths = generations.edited(edited)
    return tuple(
        Change(kind=Kind.FILE, what=path, before="compiled", after="edited" if (edited.root / path).exists() else None)
        for path in paths
        if edited.files[path].made_from and edited.files[path].made_from not in paths
    )


def _identity(now_live: Revision, base: Tree, content: Tree, damaged: tuple[Change, ...]) -> str:
    """Return an identifier of this edit, so that a program that repeats the edit causes one commit only."""
    what = [now_live.oid, *(change.what for change in damaged)]
    for path in sorted(base):
        file = content.get(path)
        what.append(f"{path} {file.digest} {file.mode} {file.owner}" if file else f"{path} gone")
    return hashlib.sha256("\n".join(what).encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _subject(said: RepositoryEdit, by: Attribution, host: str) -> str:
    kind = "Package edit" if by.package else "Hand edit"
    names = said.names
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return printable(f"{kind} on {host}: {shown}")


def _about(edited: Generation, now_live: Revision, by: Attribution) -> list[str]:
    """Return the message lines that say when and by whom the edit was made, and which generation was live."""
    live = f"{now_live.short} ({now_live.subject})" if edited.revision else f"no commit ({edited.source})"
    return [*map(printable, (f"Made {by.told}.", *by.details)), f"The live generation was {edited.number}: {live}"]


def _author(by: Attribution) -> str:
    return f"dpkg ({by.package})" if by.package else by.who.partition(" was on ")[0]
