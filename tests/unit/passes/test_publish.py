"""What this host writes and the remote gets, with real git and a remote that is a folder."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model.errors import Unavailable
from reconciler.model.remote_url import read_url
from reconciler.passes.fetch import fetch
from reconciler.passes.publish import push_records, put
from reconciler.repository.connection import RemoteFailed
from reconciler.repository.git import Commit
from reconciler.repository.mirror import MirrorRepository
from tests.unit.adopted_folder import Adopted
from tests.unit.repositories import commit, git

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges

ME = pwd.getpwuid(os.geteuid()).pw_name
MAIN, NOTES, OWN = "refs/heads/main", "refs/notes/reconciler", "refs/heads/reconciler/mx.test.example"


@dataclass(frozen=True)
class Pushing:
    """A forge, and the edges of a host that follows it and may push."""

    forge: Path
    edges: Edges

    def commit(self, text: str) -> Commit:
        """Return a commit to make on top of what the mirror holds."""
        parent = self.edges.repo.required_tip().oid
        return Commit(parent=parent, author="ada", written_at=0, message="Own\n", files={"a": text.encode()})

    def at(self, ref: str) -> str:
        """Return what a ref of the forge names; empty if there is none."""
        return git(self.forge, "for-each-ref", "--format=%(objectname)", ref)

    def hook(self, script: str) -> None:
        """Have the forge judge each ref of a push: its name is $1."""
        hook = self.forge / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)


def following(forge: Path, folder: Path, host: str = "mx.test.example") -> Edges:
    """Return the edges of another host that follows the forge."""
    edges = Adopted.made_in(folder).edges
    path, url = folder / "remote" / "mirror.git", read_url(str(forge))
    settings = replace(edges.settings, host=host, url=url, repository=path, user=ME, push="on")
    return replace(edges, settings=settings, repo=MirrorRepository(path, "main", edges.host, url))


@pytest.fixture
def pushing(tmp_path: Path) -> Pushing:
    forge = Adopted.made_in(tmp_path / "forge").edges.repo.path
    commit(forge, {"a": "1"})
    edges = following(forge, tmp_path / "host")
    fetch(edges)
    return Pushing(forge, edges)


def test_a_commit_is_the_remote_s_before_it_is_here(pushing: Pushing) -> None:
    oid = put(pushing.commit("2"), pushing.edges)
    assert oid
    assert pushing.at(MAIN) == pushing.edges.repo.required_tip().oid == oid
    assert fetch(pushing.edges).after == oid
    assert git(pushing.edges.repo.path, "for-each-ref", "refs/heads/pending") == ""


def test_a_commit_on_top_of_what_the_remote_has_left_behind_is_made_again(pushing: Pushing) -> None:
    made = pushing.commit("2")
    theirs = commit(pushing.forge, {"a": "1", "b": "1"})
    assert put(made, pushing.edges) is None
    assert pushing.at(MAIN) == pushing.edges.repo.required_tip().oid == theirs
    oid = put(pushing.commit("2"), pushing.edges)
    assert pushing.at(MAIN) == oid


def test_a_commit_that_the_branch_does_not_take_is_left_on_a_branch_of_its_own_once(pushing: Pushing) -> None:
    pushing.hook('[ "$1" != refs/heads/main ] || { echo "main is protected"; exit 1; }')
    before = pushing.at(MAIN)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"takes no push: .*on the remote's branch reconciler/mx\.test\.example"):
            put(pushing.commit("2"), pushing.edges)
        kept = pushing.at(OWN)
        assert git(pushing.forge, "show", f"{kept}:a") == "2"
        pushing.hook("exit 1")
    assert pushing.at(MAIN) == pushing.edges.repo.required_tip().oid == before
    with pytest.raises(Unavailable, match="nothing was committed"):
        put(pushing.commit("3"), pushing.edges)
    assert pushing.at(OWN) == kept


def test_a_host_that_may_not_push_makes_no_commit_and_pushes_nothing(pushing: Pushing) -> None:
    edges = replace(pushing.edges, settings=replace(pushing.edges.settings, push="off"))
    with pytest.raises(Unavailable, match="does not push to it: commit there"):
        put(pushing.commit("2"), edges)
    edges.repo.note(pushing.at(MAIN), "applied")
    push_records(edges)
    assert pushing.at(NOTES) == ""


def test_notes_and_hand_edits_are_pushed_when_they_differ_and_after_a_failure(pushing: Pushing) -> None:
    edges, oid = pushing.edges, pushing.at(MAIN)
    push_records(edges)
    edges.repo.note(oid, "mx: applied")
    edit = edges.repo.commit(pushing.commit("edited"), "drift/mx.test.example")
    pushing.hook("exit 1")
    with pytest.raises(RemoteFailed, match="takes no push"):
        push_records(edges)
    assert pushing.at(NOTES) == ""
    pushing.hook("exit 0")
    push_records(edges)
    assert git(pushing.forge, "notes", "--ref=reconciler", "show", oid) == "mx: applied"
    assert pushing.at("refs/heads/drift/mx.test.example") == edit
    pushing.forge.rename(pushing.forge.with_name("gone"))
    push_records(edges)  # there is nothing to push, so nothing is asked


def test_the_notes_of_several_hosts_come_together(pushing: Pushing, tmp_path: Path) -> None:
    one, oid = pushing.edges, pushing.at(MAIN)
    two = following(pushing.forge, tmp_path / "two", "mx2.test.example")
    fetch(two)
    for turn in ("first", "second"):
        for edges in (one, two):
            edges.repo.note(oid, f"{edges.settings.host}: {turn}")
            push_records(edges)
    notes = git(pushing.forge, "notes", "--ref=reconciler", "show", oid)
    for host in ("mx.test.example", "mx2.test.example"):
        assert notes.index(f"{host}: first") < notes.index(f"{host}: second")
    assert one.repo.notes(oid) == "mx.test.example: first\n\nmx.test.example: second\n"
