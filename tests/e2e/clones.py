"""Commits in a clone, without a program: git(1) starts seven for one.

Promises: branch, index and work tree of the clone are as after `git reset --hard`, `git add --all` and `git commit`;
all of it belongs to the owner of the clone. Known limit: no hook of the clone is asked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import Option, ResetMode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AUTHOR, ADDRESS = "Ada", "ada@example.com"
pygit2.option(Option.SET_OWNER_VALIDATION, 0)  # the clone may be of another user


def has_tip(clone: Path, origin: Path) -> bool:
    """Tell whether the clone has the commit that the branch main of *origin* names; False if that can't be read."""
    tip = _tip(origin)
    return tip is not None and tip in pygit2.Repository(str(clone))


def commit(clone: Path, origin: Path, files: Mapping[str, str | None], message: str) -> str:
    """Commit on top of the branch main of *origin*, and return the name; None removes a file.

    Where *origin* has no such branch, the clone's copy of it counts. The clone must have the commit that it names.
    """
    repository = pygit2.Repository(str(clone))
    tip = _tip(origin) or repository.revparse_single("refs/remotes/origin/main").id
    repository.reset(tip, ResetMode.HARD)
    for name, text in files.items():
        path = clone / name
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    index, author = repository.index, pygit2.Signature(AUTHOR, ADDRESS)
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


def _give_away(clone: Path) -> None:
    """Give what root has made to the owner of the clone."""
    owner = clone.stat()
    if owner.st_uid:
        for folder, *names in os.walk(clone):
            for name in (name for some in names for name in some):
                os.lchown(os.path.join(folder, name), owner.st_uid, owner.st_gid)  # noqa: PTH118 - for thousands
