"""What becomes of a hand edit beside being put back: who made it, and with policy ``commit`` a commit on drift/HOST.

find() looks before anything is touched, and the pass hands on what it Found. When the edited generation is no longer
live, so that nothing can change in it any more, keep() turns that into what was Kept: one commit of all that differs,
upon the commit that was live, or upon drift/HOST while that holds unmerged edits. Until then the generation is
marked and never pruned: a repository that can't be written, or a daemon that is killed, loses nothing, and the next
pass tries again.

Raises OSError from the file system. What keeps an edit from becoming a commit is told in *trouble*, and fails no pass.
Known limits: an edit of what no commit made (after a rollback) is said upon the branch's tip. An editor that writes
through a file it opened before the swap is heard by nobody once its generation has been kept. A rollback forgets what
ignore rules had left alone.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.desired.from_live import HostInputs, RepositoryEdit, express, message, state
from reconciler.host.attribution import SOMEBODY, Attribution, look
from reconciler.host.facts import gather
from reconciler.model import Change, Kind, printable
from reconciler.model.errors import ReconcilerError, Unavailable, WithFindings
from reconciler.passes.judge import LiveCommit, judge, understand
from reconciler.postfix.syntax import read_main
from reconciler.repository.git import Commit
from reconciler.repository.repo import UnknownRevision
from reconciler.state.generations import NOT_A_FILE
from reconciler.state.manifest import PENDING, digest
from reconciler.state.records import Edited
from reconciler.trees.ignore import holding, limits
from reconciler.trees.plan import diff

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.model import File, Revision, Tree
    from reconciler.repository.repo import Repository
    from reconciler.state.generations import Generations
    from reconciler.state.journal import Journal
    from reconciler.state.manifest import Generation
    from reconciler.trees.ignore import Rule

SAME = "Edit-Id"
MOST_NAMED = 4
NOTHING = "nothing to keep"
_ATTEMPTS = 5


def drift(live: Generation | None, edges: Edges) -> tuple[str, ...]:
    """The files that were edited, and those in which an ignore rule that has ended had left an edit alone."""
    held = _held(edges.settings.drift_ignore)
    ended = [_file(name) for name in live.carried if name not in held] if live else []
    return tuple(dict.fromkeys((*edges.generations.drift(), *ended)))


def _file(name: str) -> str:
    return name.partition(":")[0]


def _held(rules: Iterable[Rule]) -> set[str]:
    """What the ignore rules that hold now speak of."""
    return {rule.what for rule in holding(rules, datetime.now(UTC))}


def ignored(live: Generation | None, rules: Iterable[Rule]) -> list[str]:
    """What is left alone now because of an ignore rule, although it differs from the commit."""
    return sorted({*live.carried} & _held(rules)) if live else []


def rules_end(rules: Iterable[Rule]) -> float:
    """Seconds until the next ignore rule ends."""
    now = datetime.now(UTC)
    ends = ((rule.until - now).total_seconds() for rule in rules if rule.until > now)
    return min(ends, default=math.inf) + 0.1


def only_ignored(revision: Revision, edges: Edges) -> bool:
    """Whether all that was edited is to be left alone, so that a pass has nothing to put back."""
    if not _held(edges.settings.drift_ignore):
        return False
    plan = judge(revision, edges, LiveCommit(edges)).plan
    return state(plan.live) == state(plan.target)


def branch(host: str) -> str:
    """Where hand edits of a host are kept."""
    return f"drift/{host}"


def limits_of(live: Generation | None, edges: Edges) -> Iterator[str]:
    """What status has to say: rules that do nothing, and edits that are in no commit yet."""
    rules = edges.settings.drift_ignore
    if live and rules:
        known = {*gather(edges.host, edges.settings).parameters}
        known |= {name.partition(":")[2] for name in live.carried} | read_main(_main(live), "main.cf")[0].keys()
        owned = [path for path, record in live.files.items() if not record.made_from]
        yield from limits(rules, datetime.now(UTC), owned, known)
    where = branch(edges.settings.host)
    for generation in edges.generations.all():
        if generation.edit == PENDING and (live is None or generation.path != live.path):
            yield f"a hand edit is not on {where} yet, only in {generation.root}; the next pass tries again"


def _main(live: Generation) -> str:
    try:
        return (live.root / "main.cf").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


# ---- before anything is touched --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What a pass found edited in the generation that was live *before* it, and who did it."""

    files: tuple[str, ...] = ()
    by: Attribution | None = None
    before: Generation | None = None


def find(edges: Edges) -> Found:
    """Look at what was edited and by whom; with policy ``commit``, put on record that it is to be kept."""
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
    """What became of what was *found*: the *files* that were put back, and what is *left* alone from now on.

    *commit* on *branch* holds the edit, if it was to be kept; *trouble* says why there is none yet.
    """

    found: Found = Found()
    files: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    commit: str = ""
    branch: str = ""
    trouble: str = ""

    @property
    def record(self) -> Edited:
        """What the journal keeps."""
        before = self.found.before
        return Edited(
            files=self.files, left_alone=self.left, by=self.found.by, generation=before.number if before else None,
            kept=self.commit, kept_on=self.branch, not_kept=self.trouble,
        )  # fmt: skip

    @property
    def is_news(self) -> bool:
        """Whether there is anything to put on record."""
        return bool(self.files or self.left or self.commit)


def keep(found: Found, edges: Edges) -> Kept:
    """See what the pass made of it; with policy ``commit``, make a commit of every edited generation before live."""
    live = edges.generations.live()
    if live is None:
        return Kept(found, found.files)
    found = _looked_again(found, live, edges.generations)
    left = tuple(name for name in live.carried if found.before and name not in found.before.carried)
    kept = Kept(found, _put_back(found, live, edges), left)
    return _committed(kept, live, edges) if edges.settings.drift_policy == "commit" else kept


def _looked_again(found: Found, live: Generation, generations: Generations) -> Found:
    """The same, or what was edited after find() had looked and before the swap."""
    before = found.before
    if before is None or found.files or live.path == before.path:
        return found
    files = generations.edited(before)
    return Found(files, look(before.root, files), before) if files else found


def _put_back(found: Found, live: Generation, edges: Edges) -> tuple[str, ...]:
    """The edited files, without those that are left alone and say what they said."""
    before = found.before
    if before is None or not found.files:
        return found.files
    if live.path == before.path:
        left = {_file(name) for name in ignored(live, edges.settings.drift_ignore)}
        return () if set(found.files) <= left else found.files
    was, is_ = edges.generations.content(before), edges.generations.content(live)
    left = {_file(name) for name in live.carried}
    return tuple(path for path in found.files if path not in left or not _means_the_same(path, was, is_))


def _committed(kept: Kept, live: Generation, edges: Edges) -> Kept:
    """The same, with the commit that was made of each generation whose edit is in none yet."""
    generations, before = edges.generations, kept.found.before
    if before and before.path != live.path:
        now = generations.get(before.path)
        if now.path.is_dir() and not now.edit and generations.edited(now):  # while the pass ran
            generations.taint(now)
            generations.mark(generations.get(now.path), PENDING)
    for edited in reversed(generations.all()):
        if edited.edit == PENDING and edited.path != live.path:
            kept = _with_commit(kept, edited, live, edges)
    return kept


def _with_commit(kept: Kept, edited: Generation, live: Generation, edges: Edges) -> Kept:
    """The same, with the commit made of that generation, or with why it could not be made."""
    where = branch(edges.settings.host)
    try:
        oid = _commit(edited, live, _who(edited, kept.found, edges.journal), edges)
        edges.generations.mark(edited, oid or NOTHING)
    except WithFindings as error:
        return replace(kept, trouble=f"no commit on {where}: {error.findings[0]}")
    except (ReconcilerError, OSError, ValueError) as error:
        return replace(kept, trouble=str(error))
    return replace(kept, commit=oid, branch=where) if oid else kept


def _who(edited: Generation, found: Found, journal: Journal) -> Attribution:
    """Who edited that generation: seen in this pass, put on record by an earlier one, or not known."""
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
    """Put what was done to a generation on the branch; the commit's name, empty when nothing is to be kept."""
    now_live = _revision(edited, edges.repo)
    commit = understand(now_live, edges)
    inputs = HostInputs(facts=commit.facts, templates=edges.templates, secrets=commit.desired.secrets)
    base, content = _both(edited, live, now_live, inputs, edges)
    damaged = _damaged(edited, edges.generations)
    if not diff(base, content).changes and not damaged:
        return ""
    name, where = _identity(now_live, base, content, damaged), branch(edges.settings.host)
    for _ in range(_ATTEMPTS):
        parent = _parent(now_live, where, edges.repo)
        if f"{SAME}: {name}" in parent.trailers:
            return parent.oid
        said = express(base, content, edges.repo.read(parent), inputs, live.carried)
        said = replace(said, changes=(*said.changes, *damaged))
        if not said.changes:
            return ""
        text = message(_subject(said, by, edges.settings.host), said, _about(edited, now_live, by), [f"{SAME}: {name}"])
        made = Commit(parent=parent.oid, author=_author(by), written_at=by.at, message=text, files=said.files)
        if oid := edges.repo.commit(made, where):
            return oid
    raise Unavailable(f"another process keeps moving {where}")


def _revision(edited: Generation, repo: Repository) -> Revision:
    """The commit that was live; where none was (after a rollback) or it is gone, the tip."""
    if edited.revision:
        with suppress(UnknownRevision):  # the branch was rewritten since
            return repo.revision(edited.revision)
    return repo.required_tip()


def _parent(now_live: Revision, where: str, repo: Repository) -> Revision:
    """Return the parent of the new commit: edits that are not merged yet, else what was live."""
    kept = repo.tip(where)
    return kept if kept and not repo.is_ancestor(kept.oid, now_live.oid) else now_live


def _both(
    edited: Generation, live: Generation, now_live: Revision, inputs: HostInputs, edges: Edges
) -> tuple[Tree, Tree]:
    """The files in which a generation was edited, as they were and as they are."""
    generations = edges.generations
    ended = {_file(name) for name in edited.carried if name not in live.carried}
    rendered, _ = inputs.rendered(edges.repo.read(now_live))
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
    """The file as the manifest knows it, from a generation that still has it."""
    record = edited.files[path]
    for one in generations.all():
        file = one.root / path
        if one.files.get(path) == record and file.is_file() and digest(file) == record.sha256:
            return one.owned()[path]
    return None


def _damaged(edited: Generation, generations: Generations) -> tuple[Change, ...]:
    """Compiled maps that are no longer what was compiled, while their source is: their content is unknown."""
    paths = generations.edited(edited)
    return tuple(
        Change(kind=Kind.FILE, what=path, before="compiled", after="edited" if (edited.root / path).exists() else None)
        for path in paths
        if edited.files[path].made_from and edited.files[path].made_from not in paths
    )


def _identity(now_live: Revision, base: Tree, content: Tree, damaged: tuple[Change, ...]) -> str:
    """A name of this very edit: a program that makes it again and again makes one commit."""
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
    """When and by whom, and upon what."""
    live = f"{now_live.short} ({now_live.subject})" if edited.revision else f"no commit, but {edited.source}"
    return [*map(printable, (f"Made {by.told}.", *by.details)), f"Live was generation {edited.number}: {live}"]


def _author(by: Attribution) -> str:
    return f"dpkg ({by.package})" if by.package else by.who.partition(" was on ")[0]
