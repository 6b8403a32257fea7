"""Commits in a clone, without a program: git(1) starts seven for one.

Promises: branch, index and work tree of the clone are as after `git reset --hard`, `git add --all` and `git commit`;
all of it belongs to the owner of the clone. Known limit: no hook of the clone is asked.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import Option, ResetMode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAIN = "refs/heads/main"
pygit2.option(Option.SET_OWNER_VALIDATION, 0)  # the clone may be of another user


def commit(clone: Path, origin: Path, files: Mapping[str, str | None], message: str) -> str:
    """Commit on top of the branch main of *origin*, and return the name; None removes a file."""
    repository, known = pygit2.Repository(str(clone)), pygit2.Repository(str(origin)).references
    if MAIN not in known or known[MAIN].target not in repository:
        owner = clone.stat()
        fetch = ("git", "-C", str(clone), "fetch", "--quiet")
        subprocess.run(fetch, check=True, user=owner.st_uid, group=owner.st_gid, extra_groups=[])
    tip = known[MAIN].target if MAIN in known else repository.references["refs/remotes/origin/main"].target
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


def _give_away(clone: Path) -> None:
    """Give what root has made to the owner of the clone."""
    owner = clone.stat()
    if owner.st_uid:
        for folder, *names in os.walk(clone):
            for name in (name for some in names for name in some):
                os.lchown(os.path.join(folder, name), owner.st_uid, owner.st_gid)  # noqa: PTH118 - for thousands
