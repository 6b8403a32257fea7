"""What becomes of a hand edit beside being put back: who made it, and with policy ``commit`` a commit on drift/HOST.

A HandEdit lives as long as a pass. It looks before anything is touched; and when the edited generation is no longer
live, so that nothing can change in it any more, keep() makes one commit of all that differs in it, upon the commit that
was live, or upon drift/HOST while that holds what nobody has merged. Until then the generation is marked and never
pruned: a repository that can't be written, or a daemon that is killed, loses nothing, and the next pass tries again.

Raises OSError from the file system. What keeps an edit from becoming a commit is told in *trouble*, and fails no pass.
Known limits: an edit of what no commit made (after a rollback) is said upon the branch's tip. An editor that writes
through a file it opened before the swap is heard by nobody once its generation has been kept. A rollback forgets what
ignore rules had left alone.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.desired.from_live import Expressed, Ground, express, message, state
from reconciler.host import facts as fact
from reconciler.host.attribution import SOMEBODY, Attribution, look
from reconciler.model import Change, Kind, printable
from reconciler.model.errors import ReconcilerError, Unavailable, WithFindings
from reconciler.passes.judge import LiveCommit, judge, understand
from reconciler.postfix.syntax import read_main
from reconciler.repository.git import Commit
from reconciler.repository.repo import UnknownRevision
from reconciler.state.generations import NOT_A_FILE
from reconciler.state.manifest import PENDING, digest
from reconciler.trees.ignore import holding, limits
from reconciler.trees.plan import diff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from reconciler.apply.edges import Edges
    from reconciler.model import File, Revision, Tree
    from reconciler.state.manifest import Generation

SAME = "Edit-Id"
MOST_NAMED = 4
NOTHING = "nothing to keep"
_ATTEMPTS = 5


def drift(edges: Edges) -> tuple[str, ...]:
    """The files that somebody edited, and those in which an ignore rule that has ended had left an edit alone."""
    live = edges.generations.live()
    ended = [_file(name) for name in live.carried if name not in _held(edges)] if live else []
    return tuple(dict.fromkeys((*edges.generations.drift(), *ended)))


def _file(name: str) -> str:
    return name.partition(":")[0]


def _held(edges: Edges) -> set[str]:
    """What the ignore rules that hold now speak of."""
    return {rule.what for rule in holding(edges.settings.drift_ignore, datetime.now(UTC))}


def ignored(edges: Edges) -> list[str]:
    """What is left alone now because of an ignore rule, although it differs from the commit."""
    live = edges.generations.live()
    return sorted({*live.carried} & _held(edges)) if live else []


def rules_end(edges: Edges) -> float:
    """Seconds until the next ignore rule ends."""
    now = datetime.now(UTC)
    ends = ((rule.until - now).total_seconds() for rule in edges.settings.drift_ignore if rule.until > now)
    return min(ends, default=math.inf) + 0.1


def only_ignored(revision: Revision, edges: Edges) -> bool:
    """Whether all that was edited is to be left alone, so that a pass has nothing to put back."""
    if not _held(edges):
        return False
    plan = judge(revision, edges, LiveCommit(edges)).plan
    return state(plan.live) == state(plan.target)


def branch(edges: Edges) -> str:
    """Where hand edits of this host are kept."""
    return f"drift/{edges.settings.host}"


def limits_of(edges: Edges) -> Iterator[str]:
    """What status has to say: rules that do nothing, and edits that are in no commit yet."""
    live, rules = edges.generations.live(), edges.settings.drift_ignore
    if live and rules:
        known = {*fact.gather(edges.host, edges.settings).parameters}
        known |= {name.partition(":")[2] for name in live.carried} | read_main(_main(live), "main.cf")[0].keys()
        owned = [path for path, record in live.files.items() if not record.made_from]
        yield from limits(rules, datetime.now(UTC), owned, known)
    for one in edges.generations.all():
        if one.edit == PENDING and (live is None or one.path != live.path):
            yield f"a hand edit is not on {branch(edges)} yet, only in {one.root}; the next pass tries again"


def _main(live: Generation) -> str:
    try:
        return (live.root / "main.cf").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


@dataclass(slots=True)
class HandEdit:
    """What a pass found edited, and what became of it."""

    files: tuple[str, ...]
    by: Attribution | None = None
    before: Generation | None = None
    left: list[str] = field(default_factory=list)
    kept: str = ""
    kept_on: str = ""
    trouble: str = ""

    @classmethod
    def found(cls, edges: Edges) -> HandEdit:
        """Look at what was edited and by whom, before anything is touched."""
        edit = cls(drift(edges), before=edges.generations.live())
        if edit.files and edit.before:
            edit.by = look(edit.before.root, edit.files)
            if edges.settings.drift_policy == "commit" and edit.before.edit != PENDING:
                edges.generations.mark(edit.before, PENDING)
        return edit

    def close(self, edges: Edges) -> None:
        """See what became of it: what was put back, what is left alone, and what is kept as a commit."""
        live = edges.generations.live()
        if live is None or self.before is None:
            return
        self.left = [name for name in live.carried if name not in self.before.carried]
        if not self.files and live.path != self.before.path:  # edited after found() had looked
            self.files = edges.generations.edited(self.before)
            self.by = look(self.before.root, self.files) if self.files else self.by
        if not self.files:
            return
        if live.path == self.before.path:
            self.files = () if set(self.files) <= {_file(name) for name in ignored(edges)} else self.files
            return
        was, is_ = edges.generations.content(self.before), edges.generations.content(live)
        left = {_file(name) for name in live.carried}
        self.files = tuple(path for path in self.files if path not in left or not _means_the_same(path, was, is_))

    def keep(self, edges: Edges) -> None:
        """With policy ``commit``: make a commit of every edited generation that is not live any more."""
        generations, live = edges.generations, edges.generations.live()
        if edges.settings.drift_policy != "commit" or live is None:
            return
        if self.before and self.before.path != live.path:
            before = generations.get(self.before.path)
            if before.path.is_dir() and not before.edit and generations.edited(before):  # while the pass ran
                generations.taint(before)
                generations.mark(generations.get(before.path), PENDING)
        for one in reversed(generations.all()):
            if one.edit == PENDING and one.path != live.path:
                try:
                    oid = _keep(one, live, self._by(one, edges), edges)
                    generations.mark(one, oid or NOTHING)
                    self.kept, self.kept_on = (oid, branch(edges)) if oid else (self.kept, self.kept_on)
                except WithFindings as error:
                    self.trouble = f"no commit on {branch(edges)}: {error.findings[0]}"
                except (ReconcilerError, OSError, ValueError) as error:
                    self.trouble = str(error)

    def _by(self, one: Generation, edges: Edges) -> Attribution:
        """Who edited that generation: seen in this pass, put on record by an earlier one, or not known."""
        if self.by and self.before and self.before.path == one.path:
            return self.by
        for line in edges.journal.conclusions():
            if line.get("edited") == one.number and line.get("drift_by"):
                who = line["drift_by"].removeprefix("while ").removeprefix("by ")
                return Attribution(who=who, at=one.path.stat().st_mtime, package=line.get("package", ""))
        return Attribution(who=SOMEBODY, at=one.path.stat().st_mtime)

    @property
    def record(self) -> dict[str, Any]:
        """What the journal keeps."""
        line: dict[str, Any] = {"drift": list(self.files), "left_alone": self.left or None}
        if self.by and self.before:
            line |= {"drift_by": self.by.told, "package": self.by.package, "edited": self.before.number}
        return line | {"kept": self.kept or None, "kept_on": self.kept_on or None, "not_kept": self.trouble or None}

    @property
    def is_news(self) -> bool:
        """Whether there is anything to put on record."""
        return bool(self.files or self.left or self.kept)


def _means_the_same(path: str, was: Tree, is_: Tree) -> bool:
    one, other = ({path: tree[path]} if path in tree else {} for tree in (was, is_))
    return state(one) == state(other)


# ---- the commit ------------------------------------------------------------------------------------------------------


def _keep(edited: Generation, live: Generation, by: Attribution, edges: Edges) -> str:
    """Put what was done to a generation on the branch; the commit's name, empty when nothing is to be kept."""
    now_live = _revision(edited, edges)
    commit = understand(now_live, edges)
    ground = Ground(facts=commit.facts, templates=edges.templates, secrets=commit.desired.secrets)
    base, content = _both(edited, live, now_live, ground, edges)
    damaged = _damaged(edited, edges)
    if not diff(base, content).changes and not damaged:
        return ""
    name = _identity(now_live, base, content, damaged)
    for _ in range(_ATTEMPTS):
        parent = _parent(now_live, edges)
        if f"{SAME}: {name}" in parent.trailers:
            return parent.oid
        said = express(base, content, edges.repo.read(parent), ground, live.carried)
        said = replace(said, changes=(*said.changes, *damaged))
        if not said.changes:
            return ""
        text = message(_subject(said, by, edges), said, _about(edited, now_live, by), [f"{SAME}: {name}"])
        made = Commit(parent=parent.oid, author=_author(by), written_at=by.at, message=text, files=said.files)
        if oid := edges.repo.commit(made, branch(edges)):
            return oid
    raise Unavailable(f"somebody else keeps moving {branch(edges)}")


def _revision(edited: Generation, edges: Edges) -> Revision:
    """The commit that was live; where none was (after a rollback) or it is gone, the tip."""
    found = None
    if edited.revision:
        with suppress(UnknownRevision):  # the branch was rewritten since
            found = edges.repo.revision(edited.revision)
    found = found or edges.repo.tip()
    if found is None:
        raise Unavailable(f"there is no branch {edges.repo.branch}")
    return found


def _parent(now_live: Revision, edges: Edges) -> Revision:
    """What the new commit comes after: edits that nobody has merged yet, else what was live."""
    kept = edges.repo.tip(branch(edges))
    return kept if kept and not edges.repo.is_ancestor(kept.oid, now_live.oid) else now_live


def _both(edited: Generation, live: Generation, now_live: Revision, ground: Ground, edges: Edges) -> tuple[Tree, Tree]:
    """The files in which a generation was edited, as they were and as they are."""
    generations = edges.generations
    ended = {_file(name) for name in edited.carried if name not in live.carried}
    rendered, _ = ground.rendered(edges.repo.read(now_live))
    content = generations.content(edited)
    base: dict[str, File] = {}
    for path in {*generations.edited(edited), *ended}:
        record = edited.files[path]
        if record.made_from:
            continue
        before = None if path in ended else _pristine(path, edited, edges)
        if before or path in rendered:
            base[path] = before or rendered[path]
    found = {path: content[path] for path in base if path in content and content[path].digest != NOT_A_FILE}
    return base, found


def _pristine(path: str, edited: Generation, edges: Edges) -> File | None:
    """The file as the manifest knows it, from a generation that still has it."""
    record = edited.files[path]
    for one in edges.generations.all():
        file = one.root / path
        if one.files.get(path) == record and file.is_file() and digest(file) == record.sha256:
            return one.owned()[path]
    return None


def _damaged(edited: Generation, edges: Edges) -> tuple[Change, ...]:
    """Compiled maps that are no longer what was compiled, while their source is: nobody can say what is in them."""
    paths = edges.generations.edited(edited)
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


def _subject(said: Expressed, by: Attribution, edges: Edges) -> str:
    kind = "Package edit" if by.package else "Hand edit"
    names = said.names
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return printable(f"{kind} on {edges.settings.host}: {shown}")


def _about(edited: Generation, now_live: Revision, by: Attribution) -> list[str]:
    """When and by whom, and upon what."""
    live = f"{now_live.short} ({now_live.subject})" if edited.revision else f"no commit, but {edited.source}"
    return [*map(printable, (f"Made {by.told}.", *by.details)), f"Live was generation {edited.number}: {live}"]


def _author(by: Attribution) -> str:
    return f"dpkg ({by.package})" if by.package else by.who.partition(" was on ")[0]
