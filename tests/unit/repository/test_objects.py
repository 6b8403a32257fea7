"""Objects are measured before they are unpacked, and history is walked as git walks it."""

from __future__ import annotations

import itertools
import random
import subprocess
import zlib
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import ObjectType

from reconciler.model import limits
from reconciler.model.errors import InvalidSource, Unavailable
from reconciler.repository import objects
from tests.unit.repositories import bare, commit, git

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.repository.repo import Repository

FILES = {"mail.yaml": "hostname: mx1.example.com\n"}
LONG = "Tell a long story\n\n" + "word " * 20_000


@pytest.fixture(params=["loose", "packed"])
def repository(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with three commits on main, the second one too large, and a tag on the first that is too large."""
    monkeypatch.setattr(limits, "OBJECT_BYTES", 64 << 10)
    found = bare(tmp_path / "r.git")
    first = commit(found.path, FILES)
    (tmp_path / "long").write_text(LONG, encoding="utf-8")
    git(found.path, "tag", "-a", "-F", str(tmp_path / "long"), "v1", first)
    git(found.path, "branch", "first", first)
    tree = git(found.path, "rev-parse", f"{first}^{{tree}}")
    second = git(found.path, "commit-tree", tree, "-p", first, "-F", str(tmp_path / "long"))
    git(found.path, "update-ref", "refs/heads/main", second)
    git(found.path, "branch", "second", second)
    commit(found.path, FILES)
    if request.param == "packed":
        git(found.path, "repack", "-adq")
    return found


def test_a_commit_that_is_too_large_has_only_a_name_and_can_not_be_read(repository: Repository) -> None:
    large = repository.tip("second")
    assert large
    assert large == repository.revision("second") == repository.revision(large.oid)
    assert (large.oid, large.tree) == (git(repository.path, "rev-parse", "second"), "")
    with pytest.raises(InvalidSource, match=rf"the object {large.oid} holds 0 MiB; the limit for a commit"):
        repository.read(large)


def test_a_tag_that_is_too_large_is_not_unpacked(repository: Repository) -> None:
    assert repository.revision("v1").tree == ""
    assert repository.revision(repository.revision("first").oid).tree


def test_a_commit_behind_one_that_is_too_large_is_not_taken_for_a_rewind(repository: Repository) -> None:
    first, last = repository.revision("first").oid, repository.revision("main").oid
    with pytest.raises(InvalidSource, match="is 0 MiB; rewrite the commit without it"):
        repository.is_ancestor(first, last)
    assert repository.between(first, last) == []
    assert repository.is_ancestor(last, last)


def test_a_tag_of_a_tag_leads_to_its_commit(tmp_path: Path) -> None:
    found = bare(tmp_path / "r.git")
    oid = commit(found.path, FILES)
    git(found.path, "tag", "-a", "-m", "one", "one", oid)
    git(found.path, "tag", "-a", "-m", "two", "two", "one")
    assert found.revision("two").oid == found.revision(git(found.path, "rev-parse", "two")).oid == oid


def test_history_is_walked_as_git_walks_it(tmp_path: Path) -> None:
    found, rolls = bare(tmp_path / "r.git"), random.Random(10)
    tree = git(found.path, "mktree")
    oids: list[str] = []
    for number in range(24):
        parents = rolls.sample(oids[-6:], min(len(oids), rolls.choice((0, 1, 1, 1, 2, 3))))
        time = 1_700_000_000 + rolls.choice((number, 0, -number))  # clocks go wrong
        stamp = {"GIT_COMMITTER_DATE": f"{time} +0000"}
        arguments = [word for parent in parents for word in ("-p", parent)]
        oids.append(_git(found.path, stamp, "commit-tree", tree, *arguments, "-m", f"{number}"))
    for new in oids:
        all_before = set(git(found.path, "rev-list", new).splitlines())
        for old in oids:
            assert found.is_ancestor(old, new) == (old in all_before)


def test_the_commits_between_two_are_those_that_only_the_later_one_holds(tmp_path: Path) -> None:
    found = bare(tmp_path / "r.git")
    live = commit(found.path, FILES, "live")
    git(found.path, "branch", "side", live)
    side = commit(found.path, FILES, "side", "side")
    commit(found.path, FILES, "more")
    tree = git(found.path, "rev-parse", f"{live}^{{tree}}")
    merge = git(found.path, "commit-tree", tree, "-p", "main", "-p", side, "-m", "merge")
    assert {revision.subject for revision in found.between(live, merge)} == {"more", "side"}
    assert [revision.subject for revision in found.between(side, merge)] == ["more"]


def test_commits_of_one_second_are_told_apart_by_who_leads_to_whom(tmp_path: Path) -> None:
    found, rolls, stamp = bare(tmp_path / "r.git"), random.Random(3), {"GIT_COMMITTER_DATE": "1700000000 +0000"}
    tree, before = git(found.path, "mktree"), dict[str, set[str]]()
    for number in range(16):
        parents = rolls.sample(list(before)[-3:], min(len(before), rolls.choice((1, 1, 2))))
        arguments = [word for parent in parents for word in ("-p", parent)]
        oid = _git(found.path, stamp, "commit-tree", tree, *arguments, "-m", f"{number}")
        before[oid] = {oid}.union(*(before[parent] for parent in parents))
    for old, new in itertools.product(before, before):
        assert {one.oid for one in found.between(old, new)} == before[new] - before[old] - {new}


def _git(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    variables = [f"{name}={value}" for name, value in environment.items()]
    done = subprocess.run(
        ["env", *variables, "git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize("size", [0, 1, 20, 31, 32, 33, 300_000])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_read_whole_whatever_its_size(tmp_path: Path, size: int, *, packed: bool) -> None:
    text = "".join(random.Random(size).choices("abc\n", k=size))
    found = bare(tmp_path / "r.git")
    commit(found.path, {"tables/virtual": text})
    if packed:
        git(found.path, "repack", "-adq")
    assert found.read(found.required_tip())["tables/virtual"].read() == text.encode()


@pytest.mark.parametrize(
    ("inflated", "told"),
    [
        (b"blob 8\0a b\n", "is truncated"),
        (b"blob 4\0a c\n", "is damaged: its bytes do not have its name"),
        (b"blob 3\0a b\nmore", "is damaged: its bytes do not have its name"),
        (b"no header", "is damaged: it does not say what it is"),
    ],
)
def test_a_damaged_file_is_told_and_not_read(tmp_path: Path, inflated: bytes, told: str) -> None:
    found = bare(tmp_path / "r.git")
    commit(found.path, {"tables/virtual": "a b\n"})
    file = found.read(found.required_tip())["tables/virtual"]
    loose = found.path / "objects" / file.digest[:2] / file.digest[2:]
    loose.chmod(0o644)
    loose.write_bytes(zlib.compress(inflated))
    with pytest.raises(Unavailable, match=told):
        file.read()


@pytest.mark.parametrize("mode", ["40000", "100644", "100664", "100755", "100775", "100600", "120000", "160000"])
def test_entries_are_read_as_libgit2_reads_them(tmp_path: Path, mode: str) -> None:
    handle = pygit2.Repository(str(bare(tmp_path / "r.git").path))
    blob = handle.create_blob(b"\0\n")
    names = [b"a", b"a b", b"a\n", b"caf\xe9", "café".encode()]
    raw = b"".join(mode.encode() + b" " + name + b"\0" + blob.raw for name in sorted(names))
    oid = handle.odb.write(ObjectType.TREE, raw)
    tree = handle[oid]
    assert isinstance(tree, pygit2.Tree)

    read = [objects.entry(row) for row in objects.rows(handle, str(oid))]

    assert read == [
        ((one.raw_name or b"").decode("utf-8", "backslashreplace"), str(one.id), int(one.filemode)) for one in tree
    ]
