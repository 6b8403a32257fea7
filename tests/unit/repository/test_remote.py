"""Fetching, with real git and remotes that are folders; tests/e2e/push/test_remote.py has a real sshd."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.host.settings import Settings
from reconciler.model.errors import Unavailable
from reconciler.model.remote_url import read_url
from reconciler.repository import connection as module
from reconciler.repository.connection import Connection, RemoteFailed
from reconciler.repository.mirror import MirrorRepository
from reconciler.repository.remote import Fetched, Remote
from tests.unit.other_users import NOBODY
from tests.unit.repositories import bare, commit, git

if TYPE_CHECKING:
    from pathlib import Path

ME = pwd.getpwuid(NOBODY if os.geteuid() == 0 else os.geteuid())


@dataclass(frozen=True)
class Following:
    """A remote that is a folder, and a host that follows it."""

    forge: Path
    mirror: MirrorRepository
    remote: Remote

    def tip(self) -> str:
        """The commit of the mirror's branch."""
        return self.mirror.required_tip().oid


@pytest.fixture
def following(open_folder: Path) -> Following:
    forge = bare(open_folder / "forge.git").path
    url, path = read_url(str(forge)), open_folder / "remote" / "mirror.git"
    settings = Settings(url=url, repository=path, user=ME.pw_name)
    mirror = MirrorRepository(path, "main", Host(), url)
    return Following(forge, mirror, Remote(url, settings, Host(), mirror))


def test_the_first_fetch_makes_a_mirror_of_git_s_user_and_later_ones_move_its_branch(following: Following) -> None:
    with pytest.raises(Unavailable, match="was fetched yet: run `reconciler fetch`"):
        following.mirror.tip()
    first = commit(following.forge, {"a": "1"})
    assert following.remote.fetch() == Fetched("", first)
    second = commit(following.forge, {"a": "2"})
    assert following.remote.fetch() == Fetched(first, second)
    assert following.remote.fetch() == Fetched(second, second)
    assert following.tip() == second
    assert following.mirror.read(following.mirror.required_tip())["a"].read() == b"2"
    assert {path.stat().st_uid for path in (following.mirror.path, *following.mirror.path.rglob("*"))} == {ME.pw_uid}
    assert following.mirror.path.stat().st_mode & 0o077 == 0
    assert following.mirror.path.parent.stat().st_uid == os.geteuid(), "git's user can't replace the mirror"


def test_a_rewritten_history_is_followed_only_when_it_is_accepted(following: Following) -> None:
    first = commit(following.forge, {"a": "1"})
    second = commit(following.forge, {"a": "2"})
    following.remote.fetch()
    git(following.forge, "update-ref", "refs/heads/main", first)
    assert following.remote.fetch() == Fetched(second, second, first), "a rewind"
    other = commit(following.forge, {"a": "3"})
    assert following.remote.fetch() == Fetched(second, second, other)
    assert following.tip() == second
    git(following.forge, "update-ref", "refs/heads/main", second)
    assert following.remote.fetch() == Fetched(second, second), "it is as it was"
    git(following.forge, "update-ref", "refs/heads/main", other)
    accepted = list[str]()
    assert following.remote.fetch(lambda oid: accepted.append(f"{oid} at {following.tip()}")) == Fetched(second, other)
    assert accepted == [f"{other} at {second}"], "before the branch moves"
    assert following.tip() == other


def test_a_remote_that_vanishes_changes_nothing_and_is_explained(following: Following) -> None:
    first = commit(following.forge, {"a": "1"})
    following.remote.fetch()
    git(following.forge, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(RemoteFailed, match="it has no branch main") as caught:
        following.remote.fetch()
    assert caught.value.advice == "push main there, then reconciler fetch"
    following.forge.rename(following.forge.with_name("elsewhere"))
    with pytest.raises(RemoteFailed, match=r"the remote can't be fetched: fatal: .*does not (?:exist|appear)"):
        following.remote.fetch()
    assert following.tip() == first


def test_objects_that_git_takes_for_damaged_are_not_accepted(following: Following) -> None:
    first = commit(following.forge, {"a": "1"})
    following.remote.fetch()
    tree = git(following.forge, "rev-parse", "main^{tree}")
    text = f"tree {tree}\nparent {first}\nauthor x 0 +0000\ncommitter x <x> 0 +0000\n\nx\n"
    bad = git(following.forge, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=text.encode())
    git(following.forge, "update-ref", "refs/heads/main", bad)
    with pytest.raises(RemoteFailed, match="can't be fetched: error: object"):
        following.remote.fetch()
    assert following.tip() == first


def test_more_bytes_than_a_push_may_have_are_not_taken_and_leave_nothing(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(following.forge, {"a": "1"})
    following.remote.fetch()
    monkeypatch.setattr(module, "_LIMITS", ("prlimit", "--fsize=100000", "--core=0", "--"))
    commit(following.forge, {str(n): os.urandom(3000).hex() for n in range(150)})
    with pytest.raises(RemoteFailed, match="MiB at once"):
        following.remote.fetch()
    assert [*following.mirror.path.rglob("tmp_*")] == []


def test_a_fetch_that_does_not_end_is_ended(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(following.forge, {"a": "1"})
    following.remote.fetch()
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    monkeypatch.setattr(Connection, "serve", lambda *_: ("--upload-pack=sleep 60; true",))
    with pytest.raises(RemoteFailed, match=r"no end within 0\.3 s") as caught:
        following.remote.fetch()
    assert "answers again" in caught.value.advice


@pytest.mark.skipif(os.geteuid() != 0, reason="another process has one user only")
def test_a_user_that_is_missing_is_named_with_the_command_that_makes_it(following: Following) -> None:
    settings = Settings(url=read_url(str(following.forge)), repository=following.mirror.path, user="no-such-user")
    assert settings.url
    with pytest.raises(RemoteFailed, match="there is no user no-such-user") as caught:
        Remote(settings.url, settings, Host(), following.mirror).fetch()
    assert caught.value.advice.startswith("adduser --system --group ")
