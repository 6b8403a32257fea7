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
from reconciler.state.fetches import Fetches
from tests.unit.adopted_folder import Adopted
from tests.unit.repositories import commit, git

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges

ME = pwd.getpwuid(os.geteuid()).pw_name
EDITS = "refs/heads/drift/mx.test.example"
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


def test_a_rewound_branch_of_the_remote_is_not_moved_forward_again(pushing: Pushing) -> None:
    first, last = pushing.at(MAIN), commit(pushing.forge, {"a": "2"})
    fetch(pushing.edges)
    made = pushing.commit("3")
    git(pushing.forge, "update-ref", MAIN, first)
    with pytest.raises(Unavailable, match=r"the remote's main was rewritten: .*see `reconciler status`"):
        put(made, pushing.edges)
    assert (pushing.at(MAIN), pushing.edges.repo.required_tip().oid) == (first, last)
    git(pushing.forge, "update-ref", "-d", MAIN)
    with pytest.raises(Unavailable, match="it has no branch main"):
        put(made, pushing.edges)
    assert pushing.at(MAIN) == ""


def test_a_commit_that_waits_on_the_remote_stays_when_somebody_changed_it(pushing: Pushing) -> None:
    pushing.hook('[ "$1" != refs/heads/main ]')
    for text in ("2", "3"):
        with pytest.raises(Unavailable, match="merge it there"):
            put(pushing.commit(text), pushing.edges)
        assert git(pushing.forge, "show", f"{OWN}:a") == text
    git(pushing.forge, "update-ref", OWN, pushing.at(MAIN))
    with pytest.raises(Unavailable, match=r"nothing was committed: somebody changed reconciler/mx\.test\.example"):
        put(pushing.commit("4"), pushing.edges)
    assert pushing.at(OWN) == pushing.at(MAIN)
    git(pushing.forge, "update-ref", "-d", OWN)
    with pytest.raises(Unavailable, match="merge it there"):
        put(pushing.commit("5"), pushing.edges)
    assert git(pushing.forge, "show", f"{OWN}:a") == "5"


def edited(pushing: Pushing, text: str) -> str:
    """Commit a hand edit on this host, on top of those before; return the commit."""
    before = pushing.edges.repo.tip(EDITS.removeprefix("refs/heads/"))
    made = replace(pushing.commit(text), parent=before.oid if before else pushing.commit(text).parent)
    return pushing.edges.repo.commit(made, EDITS.removeprefix("refs/heads/")) or ""


def test_hand_edits_are_pushed_again_to_a_branch_that_was_merged_and_removed(pushing: Pushing) -> None:
    edited(pushing, "one")
    push_records(pushing.edges)
    git(pushing.forge, "update-ref", "-d", EDITS)
    last = edited(pushing, "two")
    assert push_records(pushing.edges) == ""
    assert pushing.at(EDITS) == last


def test_hand_edits_whose_push_is_not_on_record_are_continued(pushing: Pushing) -> None:
    edited(pushing, "one")
    push_records(pushing.edges)
    middle, record = edited(pushing, "two"), Fetches(pushing.edges.generations.private, pushing.edges.host)
    before = record.read()
    push_records(pushing.edges)
    for known in (before, replace(before, edits="")):
        record.write(known)
        last = edited(pushing, f"three, with {known.edits}")
        assert push_records(pushing.edges) == ""
        assert pushing.at(EDITS) == last
    assert middle != last


@pytest.mark.parametrize("change", ["rewound", "rewritten", "continued"])
def test_hand_edits_that_somebody_changed_stay_and_new_ones_are_beside_them(pushing: Pushing, change: str) -> None:
    edges = pushing.edges
    first = edited(pushing, "one")
    edited(pushing, "two")
    push_records(edges)
    theirs = first
    if change != "rewound":
        parent = first if change == "rewritten" else pushing.at(EDITS)
        tree = git(pushing.forge, "rev-parse", f"{MAIN}^{{tree}}")
        theirs = git(pushing.forge, "commit-tree", "-p", parent, "-m", "theirs", tree)
    git(pushing.forge, "update-ref", EDITS, theirs)
    beside = f"{EDITS}-{theirs[:7]}"
    for text in ("three", "four"):
        last = edited(pushing, text)
        told = push_records(edges)
        assert told == (
            "somebody changed drift/mx.test.example on the remote: the hand edits of this host are on its branch "
            + beside.removeprefix("refs/heads/")
        )
        assert (pushing.at(EDITS), pushing.at(beside)) == (theirs, last)
    assert push_records(edges) == "", "they are there"


def test_a_branch_that_the_remote_refuses_keeps_no_note_back(pushing: Pushing) -> None:
    pushing.edges.repo.note(pushing.at(MAIN), "mx: applied")
    edited(pushing, "one")
    pushing.hook(f'[ "$1" != {EDITS} ]')
    with pytest.raises(RemoteFailed, match="takes no push"):
        push_records(pushing.edges)
    assert git(pushing.forge, "notes", "--ref=reconciler", "show", MAIN) == "mx: applied"
    assert pushing.at(EDITS) == ""


@pytest.mark.parametrize("rewrite", ["rewound", "rewritten", "removed"])
def test_notes_come_together_with_those_that_somebody_left_on_the_remote(pushing: Pushing, rewrite: str) -> None:
    edges, oid = pushing.edges, pushing.at(MAIN)
    for text in ("one", "two"):
        edges.repo.note(oid, f"mx: {text}")
        push_records(edges)
    kept = git(pushing.forge, "rev-parse", f"{NOTES}^")
    if rewrite == "rewritten":
        tree = git(pushing.forge, "rev-parse", f"{NOTES}^{{tree}}")
        kept = git(pushing.forge, "commit-tree", "-m", "squashed", tree)
    git(pushing.forge, "update-ref", *((NOTES, kept) if rewrite != "removed" else ("-d", NOTES)))
    edges.repo.note(oid, "mx: three")
    push_records(edges)
    told = git(pushing.forge, "notes", "--ref=reconciler", "show", oid)
    assert "mx: three" in told
    assert rewrite == "removed" or git(pushing.forge, "merge-base", NOTES, kept) == kept


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
