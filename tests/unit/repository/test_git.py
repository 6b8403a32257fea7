"""Commits that reconciler writes, on real repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model.errors import Unavailable
from reconciler.repository.git import Commit
from tests.unit.other_users import NOBODY
from tests.unit.repositories import bare, commit, git

if TYPE_CHECKING:
    from pathlib import Path


def test_a_commit_is_the_owners_and_comes_after_its_parent(open_folder: Path) -> None:
    repository = bare(open_folder / "r.git", NOBODY)
    blob = git(repository.path, "hash-object", "-w", "--stdin", stdin=b"1", user=NOBODY)
    lines = "".join(f"100644 blob {blob}\t{name}\n" for name in "ab")
    tree = git(repository.path, "mktree", stdin=lines.encode(), user=NOBODY)
    first = git(repository.path, "commit-tree", tree, "-m", "first", user=NOBODY)
    made = repository.commit(
        Commit(
            parent=first, author="ada <x>\n", written_at=0, message="Déjà\n\nvu\n", files={"a": None, 'c"é/d': b"3\n"}
        ),
        "drift/mx1",
    )
    tip = repository.tip("drift/mx1")
    assert tip is not None
    assert (tip.oid, tip.subject) == (made, "Déjà")
    assert tip.author.startswith("ada x <ada@")
    assert git(repository.path, "ls-tree", "-rz", "--name-only", "drift/mx1", user=NOBODY).split("\0")[:-1] == [
        "b",
        'c"é/d',
    ]
    assert {path.stat().st_uid for path in repository.path.rglob("*")} == {NOBODY}


def test_a_commit_on_a_branch_that_moved_meanwhile_is_not_made(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    first = commit(repository.path, {"a": "1"})
    other = Commit(parent=first, author="ada", written_at=0, message="one\n", files={"a": b"2"})
    made = repository.commit(other, "drift/mx1")
    assert repository.commit(replace(other, message="two\n"), "drift/mx1") is None
    tip = repository.tip("drift/mx1")
    assert tip is not None
    assert tip.oid == made


def test_a_commit_where_none_can_be_written_says_so(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    first = commit(repository.path, {"a": "1"})
    commit(repository.path, {"a": "1"}, branch="drift")
    with pytest.raises(Unavailable, match="can't commit to drift/mx1"):
        repository.commit(Commit(parent=first, author="ada", written_at=0, message="m\n", files={}), "drift/mx1")


def test_lines_are_known_by_the_newest_commit_that_wrote_any_of_them(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    first = commit(repository.path, {"a": "1\n2\n3\n"}, "first")
    second = commit(repository.path, {"a": "0\n1\n2\nnew\n"}, "second")
    third = commit(repository.path, {"a": "1\n2\nnew\nnewer\n"}, "third")

    def wrote(oid: str, *lines: int) -> str | None:
        found = repository.blame(oid, "a", *lines)
        return found.oid if found else None

    assert (wrote(third, 1, 1), wrote(third, 3, 3), wrote(third, 4, 4)) == (first, second, third)
    assert wrote(first, 3, 3) == first
    assert repository.blame(third, "nothing", 1, 1) is None
