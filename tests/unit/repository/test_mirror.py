"""The mirror of a remote: nothing of this host's own gets onto the branch that is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.model.errors import Unavailable
from reconciler.model.remote_url import read_url
from reconciler.repository.git import Commit
from reconciler.repository.mirror import MirrorRepository
from reconciler.repository.repo import NoBranch
from tests.unit.repositories import bare, commit

if TYPE_CHECKING:
    from pathlib import Path

URL = read_url("ssh://git@forge.example.com/x.git")


def test_a_mirror_without_a_commit_says_how_to_fill_it(tmp_path: Path) -> None:
    mirror = MirrorRepository(tmp_path / "m.git", "main", Host(), URL)
    for ask in (mirror.tip, mirror.required_tip):
        with pytest.raises(Unavailable, match=r"nothing of ssh://.* was fetched yet: run `reconciler fetch`"):
            ask()
    bare(tmp_path / "m.git")
    assert mirror.tip() is None
    with pytest.raises(NoBranch, match="run `reconciler fetch`"):
        mirror.required_tip()


def test_a_commit_of_this_host_gets_on_another_branch_only(tmp_path: Path) -> None:
    bare(tmp_path / "m.git")
    first = commit(tmp_path / "m.git", {"a": "1"})
    mirror = MirrorRepository(tmp_path / "m.git", "main", Host(), URL)
    made = Commit(parent=first, author="ada", written_at=0, message="m\n", files={"a": b"2"})
    with pytest.raises(Unavailable, match="follows main of ssh://git@forge"):
        mirror.commit(made, "main")
    assert mirror.commit(made, "drift/mx1")
    assert mirror.required_tip().oid == first


def test_the_branch_is_moved_only_from_where_it_was_expected(tmp_path: Path) -> None:
    bare(tmp_path / "m.git")
    first, second = (commit(tmp_path / "m.git", {"a": text}) for text in "12")
    mirror = MirrorRepository(tmp_path / "m.git", "main", Host(), URL)
    with pytest.raises(Unavailable, match="can't change refs/heads/main: "):
        mirror.move(first, second)
    mirror.move(second, first)
    assert mirror.required_tip().oid == first
