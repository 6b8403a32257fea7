"""The remote that a host follows: fetch its branch into the mirror, and push to it.

Promises: the branch of the mirror moves only forward, to a commit that contains the one before, unless an operator
accepts a rewritten history. It moves in one step, after everything was received and checked by git. A push undoes
nothing that somebody else did to a ref of the remote: it names the commit that it expects there, or only adds to what
is there.
Raises RemoteFailed with what to do, Behind for a push to a ref that has changed, Unavailable for a mirror that can't be
read, and OSError from the file system.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import split_lines
from reconciler.model.errors import CommandFailed, Unavailable
from reconciler.repository import git
from reconciler.repository.connection import FETCH, Connection, RemoteFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.host.effects import Host
    from reconciler.host.settings import Settings
    from reconciler.model.remote_url import RemoteUrl
    from reconciler.repository.mirror import MirrorRepository

_OPTIONS = (
    "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--refmap=",
)  # fmt: skip
PUSH = "the remote takes no push"
_BEHIND = re.compile(
    "fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|incorrect old value", re.ASCII
)
_SELDOM = {"gc.auto": "2000", "gc.autoDetach": "false"}
"""When git packs what many fetches left, and that it ends within the fetch."""


class Behind(Unavailable):
    """The remote's ref has changed, and a push would undo that, so it was not made."""


class Fetched(NamedTuple):
    """The commit of the branch before and after a fetch.

    *rewritten* is the remote's commit if it does not contain the one before, and was not accepted; empty if it does.
    """

    before: str
    after: str
    rewritten: str = ""


class Remote:
    """The remote *url*, which the settings name, and its mirror *repo*."""

    def __init__(self, url: RemoteUrl, settings: Settings, host: Host, repo: MirrorRepository) -> None:
        self._host, self._repo = host, repo
        self._connection = Connection(url, repo.path, settings, host)

    def fetch(self, accept: Callable[[str], None] | None = None) -> Fetched:
        """Fetch, and move the branch if it may; *accept* gets the commit of a rewritten history before the move."""
        self._make_mirror()
        found = f"refs/remotes/origin/{self._repo.branch}"
        self.fetch_ref(f"refs/heads/{self._repo.branch}", found)
        fetched = self._take(found, accept)
        if fetched.after != fetched.before:
            self._tidy()
        return fetched

    def fetch_ref(self, source: str, target: str) -> None:
        """Have the ref *target* of the mirror name what *source* names on the remote."""
        connection = self._connection
        serve, url = connection.serve("upload-pack"), connection.url.text
        done = connection.talk(FETCH, "fetch", *_OPTIONS, *serve, "--", url, f"+{source}:{target}")
        if done.status:
            raise connection.failed(FETCH, done.stderr or f"git exited with {done.status}")

    def at(self, ref: str) -> str:
        """Return what a ref of the remote names; empty if there is none."""
        connection = self._connection
        serve, url = connection.serve("upload-pack"), connection.url.text
        done = connection.talk(FETCH, "ls-remote", "--quiet", *serve, "--", url, ref)
        if done.status:
            raise connection.failed(FETCH, done.stderr or f"git exited with {done.status}")
        return done.stdout.partition("\t")[0]

    def push(self, source: str, target: str, expected: str | None = None) -> None:
        """Have the ref *target* of the remote name what *source* names in the mirror.

        It must be at the commit *expected* there, or not be there if that is empty; without it, it may only move
        forward.
        """
        connection, options = self._connection, ["--porcelain", "--no-recurse-submodules"]
        if expected is not None:  # a rewound ref would move forward, to what was taken back
            options.append(f"--force-with-lease={target}:{expected}")
        serve, url = connection.serve("receive-pack"), connection.url.text
        done = connection.talk(PUSH, "push", *options, *serve, "--", url, f"{source}:{target}")
        if done.status:
            refusal = next((line.split("\t")[-1] for line in split_lines(done.stdout) if line.startswith("!")), "")
            if _BEHIND.search(refusal):
                raise Behind(f"{PUSH}: {refusal}")
            said = next((line for line in split_lines(done.stderr) if line.startswith("remote: error: ")), refusal)
            raise connection.failed(PUSH, said.removeprefix("remote: error: ") or done.stderr)

    def _take(self, found: str, accept: Callable[[str], None] | None) -> Fetched:
        """Move the branch to the commit that was *found*."""
        tip, new = self._repo.tip(), self._repo.at(found)
        before, after = tip.oid if tip else "", new.oid if new else ""
        if not after or before == after:
            return Fetched(before, before)
        if before and not self._repo.is_ancestor(before, after):
            if accept is None:
                return Fetched(before, before, after)
            accept(after)
        self._repo.move(before, after)
        return Fetched(before, after)

    # ---- the mirror --------------------------------------------------------------------------------------------------

    def _make_mirror(self) -> None:
        """Make the mirror, of git's user and for nobody else, in a folder of root's that the user can only enter."""
        user, mirror = self._connection.user, self._repo.path
        if not (mirror / "HEAD").is_file():
            folder = ("install", "-d", "-m", "0750", "-g", str(user.pw_gid), str(mirror.parent))
            self._host.act(folder).checked()
            own = () if os.geteuid() else ("-o", str(user.pw_uid), "-g", str(user.pw_gid))
            self._host.act(("install", "-d", "-m", "0700", *own, str(mirror))).checked()
            argv = ("init", "--bare", "--quiet", "--template=", f"--initial-branch={self._repo.branch}")
            self._connection.act((*git.command(mirror), *argv)).checked()
        if self._repo.owner[0] != user.pw_uid:
            why = f"{FETCH}: {mirror} does not belong to {user.pw_name}"
            raise RemoteFailed(why, f"chown -R {user.pw_uid}:{user.pw_gid} {mirror}, then reconciler fetch")

    def _tidy(self) -> None:
        """Have git pack what many fetches left, which it does seldom; the branch has moved whatever becomes of it."""
        try:
            self._connection.act((*git.command(self._repo.path, _SELDOM), "gc", "--auto", "--quiet"))
        except CommandFailed:
            self._connection.sweep()
