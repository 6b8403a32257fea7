"""Commits in a clone, without a program: git(1) starts seven for one.

Promises: branch, index and work tree of the clone are as after `git reset --hard`, `git add --all` and `git commit`;
all of it belongs to the owner of the clone. Known limit: no hook of the clone is asked.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pygit2
from pygit2.enums import Option, ResetMode

from tests.e2e.hosts import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pygit2.option(Option.SET_OWNER_VALIDATION, 0)  # the clone may be of another user


def commit(clone: Path, origin: Path, files: Mapping[str, str | None], message: str) -> str:
    """Commit on top of the branch main of *origin*, and return the name; None removes a file.

    Raises HostError with what git says where nothing can be fetched.
    """
    repository, tip = pygit2.Repository(str(clone)), _tip(origin)
    if tip is None or tip not in repository:
        _fetch(clone)
        tip = repository.revparse_single("refs/remotes/origin/main").id
    repository.reset(tip, ResetMode.HARD)
    for name, text in files.items():
        path = clone / name
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    index, author = repository.index, pygit2.Signature("Ada", "ada@example.com")
    index.add_all()
    index.write()
    made = repository.create_commit("HEAD", author, author, f"{message}\n", index.write_tree(), [tip])
    _give_away(clone)
    return str(made)


def _tip(origin: Path) -> pygit2.Oid | None:
    try:
        return pygit2.Repository(str(origin)).revparse_single("refs/heads/main").id
    except (pygit2.GitError, KeyError):
        return None


def _fetch(clone: Path) -> None:
    owner = clone.stat()
    argv = ("git", "-C", str(clone), "fetch", "--quiet")
    user: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **user)
    if done.returncode:
        raise HostError(done.stderr)


def _give_away(clone: Path) -> None:
    """Give what root has made to the owner of the clone."""
    owner = clone.stat()
    if owner.st_uid:
        for folder, *names in os.walk(clone):
            for name in (name for some in names for name in some):
                os.lchown(os.path.join(folder, name), owner.st_uid, owner.st_gid)  # noqa: PTH118 - for thousands
