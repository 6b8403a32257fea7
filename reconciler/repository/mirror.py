"""The mirror of a remote: the repository of a host that follows one. remote.py fetches into it.

Promises: no commit of this host's own gets onto the branch, because a branch that has more than the remote's could not
follow it any more. Raises what Repository raises; a mirror that holds nothing yet says how to fill it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import CommandFailed, Unavailable
from reconciler.repository.repo import NOTES, NoBranch, Repository

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.model import Revision
    from reconciler.model.remote_url import RemoteUrl
    from reconciler.repository.git import Commit

NO_COMMIT = "0" * 40


class MirrorRepository(Repository):
    """The bare mirror at *path* of the remote *url*, of which *branch* is followed."""

    def __init__(self, path: Path, branch: str, host: Host, url: RemoteUrl) -> None:
        super().__init__(path, branch, host)
        self._url = url

    def required_tip(self) -> Revision:
        """Return the tip of the branch; raise NoBranch if it was never fetched."""
        tip = self.tip()
        if tip is None:
            raise NoBranch(self._empty())
        return tip

    def commit(self, commit: Commit, branch: str) -> str | None:
        """Put a commit on another branch than the one that is followed; raise Unavailable for that one."""
        if branch == self.branch:
            raise Unavailable(f"this host follows {branch} of {self._url}: commit there")
        return super().commit(commit, branch)

    def move(self, old: str, new: str) -> None:
        """Move the branch from the commit *old*, empty for none yet, to *new*; raise Unavailable if it is elsewhere."""
        ref = f"refs/heads/{self.branch}"
        self._run(ref, "update-ref", "-m", "reconciler fetch", ref, new, old or NO_COMMIT)

    def name(self, ref: str, oid: str) -> None:
        """Have a ref other than the branch name an object, whatever it named before; an empty one removes the ref."""
        self._run(ref, "update-ref", *((ref, oid) if oid else ("-d", ref)))

    def merge_notes(self, other: str, into: str) -> None:
        """Have the notes *into* hold this host's notes, and after them those of *other*."""
        self.name(into, self.oid(NOTES))
        self._run(into, "notes", f"--ref={into}", "merge", "--quiet", "--strategy=union", other)

    def oid(self, ref: str) -> str:
        """Return the commit that a ref names, empty if there is none."""
        found = self.at(ref)
        return found.oid if found else ""

    def _run(self, ref: str, *argv: str) -> None:
        try:
            done = self._write(argv, ref)
        except CommandFailed as error:
            raise self._unavailable(f"can't change {ref}: git timed out") from error
        if done.status:
            raise self._unavailable(f"can't change {ref}: {done.stderr.strip(SPACE)}")

    def _unavailable(self, what: str) -> Unavailable:
        return super()._unavailable(what) if (self.path / "HEAD").is_file() else Unavailable(self._empty())

    def _empty(self) -> str:
        return f"nothing of {self._url} was fetched yet: run `reconciler fetch`"
