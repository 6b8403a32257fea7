"""Read commits of the desired state as values and write notes and commits.

Reading uses libgit2 and the objects directly. It works for every owner of the repository, whatever HEAD names, with
packed refs, and while gc moves objects. Writing uses git itself, run as the repository's owner, so that no file in it
belongs to root. Each thread has one handle; a repository that was replaced is opened again. Before libgit2 or git open
anything, inspection.py has looked at it. A repository of root's that others may change is read, but never written.

Raises InvalidSource for a commit that cannot be a desired state: links, submodules, path names that are not plain,
files beyond the limits (never read: their header holds the size), too many entries, a commit object that is too large.
Such a commit is a Revision with a name and nothing else. Raises UnknownRevision for a name that is not a commit, and
Unavailable when the repository itself fails. Missing or corrupt objects count as such a failure: git refuses an
incomplete push, so the disk needs repair and not the commit.

Known limits: libgit2 does not read SHA-256 repositories and reftables. blame(), which an operator's command asks for,
reads commits of any size. Of two notes written at the same moment, git keeps the last; reconciler writes its notes
under the pass's lock.
"""

from __future__ import annotations

import os
import re
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reconciler.model import File, Revision, Tree, printable
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.model.errors import CommandFailed, InvalidSource, ReconcilerError, Unavailable
from reconciler.model.past import Past
from reconciler.repository import git, objects
from reconciler.repository.inspection import Inspection, candidates
from reconciler.repository.libgit2 import RepositoryOpenFlag, pygit2
from reconciler.repository.listing import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reconciler.host.effects import Completed, Host
    from reconciler.repository.listing import BlobAt, Without

T = TypeVar("T")
MAX_SHOWN = 200  # characters of an author or a subject
_FULL_NAME = re.compile(r"[0-9a-f]{40}")
NOTES = "refs/notes/reconciler"
# What lies between two commits never changes, and each step of a pass asks for it.
_between: Past[tuple[Revision, ...]] = Past(8)
_ancestors: Past[bool] = Past(8)
_MAX_NOTE = 100_000  # one argument of a program holds at most 128 KiB


class UnknownRevision(ReconcilerError):  # noqa: N818 - as in errors.py
    """The operator named a commit that does not exist."""


class NoBranch(ReconcilerError):  # noqa: N818
    """The operator's command needs the branch, and it does not exist."""


class Repository:
    """The bare repository at *path*, of which *branch* is followed."""

    def __init__(self, path: Path, branch: str, host: Host, inspection: Inspection | None = None) -> None:
        self.path, self.branch, self._host = path, branch, host
        self._threads = threading.local()
        self._inspection = inspection or Inspection(path)

    @property
    def limits(self) -> list[str]:
        """Return what is not done because of the state of the repository."""
        try:
            return [text] if (text := self._not_written()) else []
        except OSError:
            return []  # that it is not there is more than a limit

    @property
    def owner(self) -> tuple[int, int]:
        """Its owner's uid and gid."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise self._unavailable(error.strerror or str(error)) from error
        return status.st_uid, status.st_gid

    def tip(self, branch: str = "") -> Revision | None:
        """Return the commit that the branch names, or None if there is no such branch."""
        return self.at(f"refs/heads/{branch or self.branch}")

    def at(self, ref: str) -> Revision | None:
        """Return the commit that a ref names, or None if there is no such ref."""

        def look(handle: pygit2.Repository) -> Revision | None:
            reference = handle.references.get(ref)
            return _revision(handle, reference.resolve().target) if reference else None

        return self._ask(look, (ref,))

    def required_tip(self) -> Revision:
        """Return the tip of the watched branch; raise NoBranch if there is none."""
        tip = self.tip()
        if tip is None:
            raise NoBranch(f"repository {self.path}: there is no branch {self.branch}")
        return tip

    def revision(self, name: str) -> Revision:
        """Return the commit that git resolves *name* to."""
        full = bool(_FULL_NAME.fullmatch(name))

        def look(handle: pygit2.Repository) -> Revision | None:
            try:
                oid = objects.named(handle, name)
            except (KeyError, ValueError):
                return None
            try:
                return _revision(handle, oid)
            except KeyError:  # a ValueError tells that it is damaged
                return None

        if found := self._ask(look, candidates(name), deep=not full):
            return found
        raise UnknownRevision(f'repository {self.path}: there is no commit "{printable(name)}"')

    def read(self, revision: Revision, without: Without | None = None) -> Tree:
        """Return the files of a commit; each digest is its blob's name, and the bytes are read only on demand.

        Files and folders whose path *without* returns True for are left out, whatever they are.
        """
        self._ask(lambda handle: objects.whole(handle, revision.oid))
        files, findings = self._ask(lambda handle: listed(handle, revision.tree, without), deep=True)
        if findings:
            raise InvalidSource(findings)
        content = self._content  # of which each mention makes an object
        return {blob.path: File(blob.blob, blob.mode, "", partial(content, blob)) for blob in files}

    def is_ancestor(self, old: str, new: str) -> bool:
        """Return whether *old* is an ancestor of *new*, so moving there is no rewind; False if *old* is missing.

        Raises InvalidSource when a commit between them is too large to be read.
        """

        def look(handle: pygit2.Repository) -> bool:
            return objects.holds(handle, old) and objects.leads_to(handle, new, old)

        if old == new or _ancestors.used((old, new)):
            return True
        if found := self._ask(look, deep=True):
            _ancestors.keep((old, new), value=True)
        return found

    def between(self, old: str, new: str) -> list[Revision]:
        """Return the commits after *old* and before *new*, newest first; none if one is missing or too large."""

        def look(handle: pygit2.Repository) -> tuple[Revision, ...] | None:
            if not (objects.holds(handle, old) and objects.holds(handle, new)):
                return None
            return tuple(revision_of(commit) for commit in objects.beyond(handle, new, old))

        if (known := _between.used((old, new))) is not None:
            return list(known)
        try:
            found = self._ask(look, deep=True)
        except objects.ObjectTooLarge:
            return []
        if found is not None:
            _between.keep((old, new), found)
        return list(found or ())

    def blame(self, oid: str, path: str, first: int, last: int) -> Revision | None:
        """Return the newest commit, up to *oid*, that wrote any of these lines; None if there is no such file."""

        def look(handle: pygit2.Repository) -> Revision | None:
            try:
                hunks = handle.blame(path, newest_commit=oid, min_line=first, max_line=last)
            except (KeyError, ValueError):
                return None
            found = (revision_of(handle[hunk.final_commit_id].peel(pygit2.Commit)) for hunk in hunks)
            return max(found, key=lambda revision: revision.committed_at, default=None)

        return self._ask(look, deep=True)

    def patch(self, oid: str, most: int = 400) -> list[str]:
        """Return the lines of what a commit changed against its first parent, at most that many; git shows the rest."""

        def look(handle: pygit2.Repository) -> list[str]:
            commit = objects.whole(handle, oid)[oid].peel(pygit2.Commit)
            before = [objects.whole(handle, one)[one].peel(pygit2.Commit) for one in commit.parent_ids[:1]]
            changed = before[0].tree.diff_to_tree(commit.tree) if before else commit.tree.diff_to_tree(swap=True)
            lines = [printable(line) for line in split_lines(changed.patch or "")]
            return lines if len(lines) <= most else [*lines[:most], f"... and {len(lines) - most} more lines"]

        return self._ask(look, deep=True)

    def with_quarantine(self, path: Path) -> Repository:
        """Return the same repository with the objects of a push that git has not accepted yet (git-receive-pack(1))."""
        objects = self._ask(lambda handle: Path(handle.path, "objects").resolve())
        inside = path.name.startswith("tmp_objdir-") and path.is_dir() and not path.is_symlink()
        if not inside or path.parent.resolve() != objects:
            raise self._unavailable(f'"{printable(str(path))}" is not a quarantine folder of this repository')
        return Repository(self.path, self.branch, self._host, self._inspection.with_quarantine(objects / path.name))

    def notes(self, oid: str) -> str | None:
        """Return the notes on a commit."""

        def look(handle: pygit2.Repository) -> str | None:
            try:
                return handle.lookup_note(oid, NOTES).message
            except KeyError:
                return None

        return self._ask(look, (NOTES,), deep=True)

    def note(self, oid: str, text: str) -> None:
        """Add to the notes on a commit, as the repository's owner; waits a little for a ref that is locked."""
        note = text.encode("utf-8", "replace")[:_MAX_NOTE].decode("utf-8", "ignore")
        argv = ("notes", f"--ref={NOTES}", "append", "-m", note, oid)
        try:
            done = self._write(argv, NOTES)
        except CommandFailed as error:
            raise self._unavailable(f"can't add a note to {oid[:7]}: git timed out") from error
        if done.status:
            raise self._unavailable(f"can't add a note to {oid[:7]}: {done.stderr.strip(SPACE)}")

    def commit(self, commit: git.Commit, branch: str) -> str | None:
        """Put a commit on a branch as the repository's owner; return its name, or None if the branch moved."""
        stream = git.fast_import(commit, branch, time.time())
        argv = ("-c", "core.fsync=all", "fast-import", "--quiet")  # the panel's request goes when the commit is there
        try:
            done = self._write(argv, f"refs/heads/{branch}", stream)
        except CommandFailed as error:
            raise self._unavailable(f"can't commit to {branch}: git timed out") from error
        if not done.status:
            return done.stdout.strip(SPACE)
        if "does not contain" in done.stderr:
            return None
        reason = split_lines(done.stderr.strip(SPACE))[-1] if done.stderr else ""
        raise self._unavailable(f"can't commit to {branch}: {reason}")

    def _write(self, argv: tuple[str, ...], ref: str, stream: bytes | None = None) -> Completed:
        """Run git as the owner, unless that is root and others may change what git reads and where it writes."""
        try:
            self._inspection.look((ref,))
            if reason := self._not_written():
                raise Unavailable(reason)
        except (OSError, ValueError) as error:
            raise self._unavailable(self._reason(error)) from error
        return git.write(self._host, self.path, self.owner, argv, stream)

    def _not_written(self) -> str:
        where = self._inspection.open_to_others()
        return where and (
            f"repository {self.path}: no note and no commit is written, because it is root's and others may change "
            f"{where}; give it to a user of its own, for example with `chown -R git:git {self.path}`"
        )

    # ---- libgit2 ----

    def _ask(self, question: Callable[[pygit2.Repository], T], refs: Iterable[str] = (), *, deep: bool = False) -> T:
        """Ask libgit2, and after a failure once more with a new handle: gc may have moved objects of the old one.

        A question that reads *refs*, or many objects (*deep*), is asked after a look at all that libgit2 opens then.
        """
        named = tuple(refs)
        try:
            if named or deep:
                self._inspection.look(named, deep=deep)
            return question(self._handle())
        except (pygit2.GitError, KeyError, ValueError, OSError):
            self._threads.kept = None
        try:
            if named or deep:
                self._inspection.look(named, deep=deep)
            return question(self._handle())
        except KeyError as error:
            raise self._unavailable(f"object {error.args[0]} is missing") from error
        except (pygit2.GitError, ValueError, OSError) as error:
            raise self._unavailable(self._reason(error)) from error

    def _handle(self) -> pygit2.Repository:
        status = self.path.stat()
        seen = (status.st_dev, status.st_ino, status.st_ctime_ns)
        kept: tuple[tuple[int, int, int], pygit2.Repository] | None = getattr(self._threads, "kept", None)
        if kept and kept[0] == seen:
            return kept[1]
        self._inspection.look((), deep=False)
        handle = pygit2.Repository(str(self.path), RepositoryOpenFlag.NO_SEARCH)
        if self._inspection.quarantine:
            handle.odb.add_disk_alternate(self._inspection.quarantine)
        self._threads.kept = seen, handle
        return handle

    def _content(self, blob: BlobAt) -> bytes:
        """Return the content of a blob; who reads many of them remembers what they say."""
        content = self._ask(lambda handle: objects.blob(handle, blob.blob))
        if content is None:
            raise self._unavailable(f"object {blob.blob} of {blob.path} is not a file")
        return content

    def _reason(self, error: Exception) -> str:
        """Return what is wrong, with the file in the repository that it is about, and the repository's path once."""
        if isinstance(error, OSError) and error.strerror:
            file = os.fsdecode(error.filename or "").removeprefix(str(self.path)).lstrip("/")
            return f"{file}: {error.strerror}" if file else error.strerror
        return str(error).removeprefix(f"{self.path}: ").removesuffix(f" at {self.path}")

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(f"repository {self.path}: {what}")


# ---- commits --------------------------------------------------------------------------------------------------------


def _revision(handle: pygit2.Repository, oid: pygit2.Oid | str) -> Revision | None:
    """Return a commit as a value, or only its name if it is too large; None for an object that is not a commit."""
    try:
        commit = objects.commit_in(handle, oid)
    except objects.ObjectTooLarge as error:
        at = datetime.fromtimestamp(0, UTC)
        return Revision(oid=str(oid), tree="", author="", subject=error.findings[0].text, committed_at=at)
    return revision_of(commit) if commit else None


def revision_of(commit: pygit2.Commit) -> Revision:
    """Return a libgit2 commit as a value."""
    author = commit.author
    message = commit.raw_message.decode("utf-8", "replace").strip(SPACE)
    name, address = (raw.decode("utf-8", "replace") for raw in (author.raw_name or b"", author.raw_email or b""))
    try:
        committed_at = datetime.fromtimestamp(commit.commit_time, UTC)
    except (OverflowError, ValueError, OSError):
        committed_at = datetime.fromtimestamp(0, UTC)
    return Revision(
        oid=str(commit.id),
        tree=str(commit.tree_id),
        author=printable(f"{name} <{address}>"[:MAX_SHOWN]),
        subject=printable(message.partition("\n")[0][:MAX_SHOWN]),
        committed_at=committed_at,
        trailers=git.trailers_in(message),
    )
