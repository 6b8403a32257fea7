"""What is seen of a repository before anything in it is opened; a healthy one is never held up."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from reconciler.model.errors import Unavailable
from reconciler.repository.inspection import Inspection, candidates
from tests.unit.other_users import NOBODY
from tests.unit.repositories import bare, commit, git

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "refs/heads/main"
NEVER = "a pipe, socket or device is never opened"
PIPES = (
    "HEAD", "config", "config.worktree", "packed-refs", "shallow", MAIN, "objects/info/alternates",
    "objects/info/commit-graph", "objects/pack/pack-0.idx", "objects/aa/0000000000000000000000000000000000000000",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A repository with a commit, loose and packed objects."""
    repository = bare(tmp_path / "r.git")
    commit(repository.path, {"mail.yaml": "hostname: a.example\n"})
    git(repository.path, "gc", "-q")
    commit(repository.path, {"mail.yaml": "hostname: b.example\n"})
    return repository.path


def pipe(path: Path) -> None:
    """Put a pipe there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_is_named_and_never_opened(path: Path, name: str) -> None:
    inspection = Inspection(path)
    inspection.look([MAIN])
    pipe(path / name)

    with pytest.raises(ValueError, match=f"/{name}: {NEVER}"):
        inspection.look([MAIN])
    (path / name).unlink()
    if name not in {"HEAD", MAIN}:
        inspection.look([MAIN])


def test_a_device_and_a_socket_are_the_same_class(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path / "socket"))
    os.mknod(path / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for special in ("socket", "device"):
        (path / special).rename(path / MAIN)
        with pytest.raises(ValueError, match=NEVER):
            Inspection(path).look([MAIN])


def test_a_link_and_a_symbolic_ref_are_followed_to_the_pipe(path: Path) -> None:
    pipe(path / "pipe")
    (path / MAIN).unlink()
    (path / MAIN).symlink_to(path / "pipe")
    with pytest.raises(ValueError, match=NEVER):
        Inspection(path).look([MAIN])
    (path / MAIN).unlink()
    (path / MAIN).write_text("ref: refs/heads/other\n")
    pipe(path / "refs/heads/other")
    with pytest.raises(ValueError, match=f"other: {NEVER}"):
        Inspection(path).look([MAIN])


def test_objects_that_are_borrowed_are_looked_at_too(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path / "objects", other := tmp_path / "other")
    (path / "objects/info/alternates").write_text(f"# borrowed\n{other}\n")
    Inspection(path).look([MAIN])
    pipe(other / "ab" / "c")
    with pytest.raises(ValueError, match=NEVER):
        Inspection(path).look([MAIN])


def test_the_objects_of_a_push_are_looked_at_for_that_push(path: Path) -> None:
    pipe(path / "objects/tmp_objdir-incoming-x/ab/c")
    Inspection(path).look([MAIN])
    with pytest.raises(ValueError, match=NEVER):
        Inspection(path, path / "objects/tmp_objdir-incoming-x").look([MAIN])


@pytest.mark.parametrize(
    "text",
    [
        "[include]\npath = /x\n",
        "[ Include ] path = /x\n",
        '[includeIf "gitdir:/"]\npath = /x\n',
        "[core][include]path=/x\n",
        "[core]\n\tbare = true\n\t[INCLUDE]\npath = /x\n",
    ],
)
@pytest.mark.parametrize("name", ["config", "config.worktree"])
def test_an_include_is_refused_with_its_line(path: Path, name: str, text: str) -> None:
    (path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name}:\d: includes another file, which is never read"):
        Inspection(path).look([MAIN])


@pytest.mark.parametrize(
    "text",
    [
        '# [include]\n;[include]\n  # [includeIf "gitdir:/"]\n',
        '[remote "include"]\nurl = include\n',
        "[includes]\nx = 1\n",
        "[reconciler]\ninclude = yes\n",
    ],
)  # fmt: skip
def test_what_only_looks_like_an_include_is_none(path: Path, text: str) -> None:
    with (path / "config").open("a") as stream:
        stream.write(text)
    Inspection(path).look([MAIN])


def test_a_configuration_that_is_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    (path / "config").rename(tmp_path / "config")
    (path / "config").symlink_to(tmp_path / "config")
    with pytest.raises(ValueError, match="symbolic link"):
        Inspection(path).look([])


def test_what_was_looked_at_counts_for_a_push_and_what_changes_then_is_seen(path: Path) -> None:
    inspection = Inspection(path)
    quarantine = path / "objects/tmp_objdir-incoming-x"
    (quarantine / "aa").mkdir(parents=True)
    (path / "objects/bb").mkdir()
    pushed = inspection.with_quarantine(quarantine)
    pushed.look([MAIN])
    pipe(path / "objects/bb/object")
    for each in (inspection, pushed):
        with pytest.raises(ValueError, match=f"bb/object: {NEVER}"):
            each.look([MAIN])
    (path / "objects/bb/object").unlink()
    pipe(quarantine / "aa/object")
    inspection.look([MAIN])
    with pytest.raises(ValueError, match=f"aa/object: {NEVER}"):
        pushed.look([MAIN])


def test_what_git_makes_of_its_own_is_no_trouble(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path / "fsmonitor--daemon.ipc"))
    pipe(path / "hooks/pipe")
    (path / "HEAD").unlink()
    (path / "HEAD").symlink_to(MAIN)
    git(path, "commit-graph", "write", "--reachable", "--split")
    git(path, "multi-pack-index", "write")
    (path / MAIN).unlink()  # as after pack-refs
    Inspection(path).look([MAIN, "refs/heads/main/below", "refs/notes/none"])


def test_every_ref_that_a_name_may_mean_is_looked_at() -> None:
    assert {"refs/heads/x", "refs/tags/x", "refs/remotes/x/HEAD", "logs/refs/heads/x", "x"} <= set(
        candidates("x^{/y}~2")
    )
    assert candidates("../../etc/passwd") == candidates("@{-1}") == ["logs/HEAD"]


def test_a_repository_of_roots_is_open_to_others_by_any_of_its_parts(path: Path) -> None:
    assert os.geteuid() == 0, "needs root, to give files away"
    assert Inspection(path).open_to_others() == ""
    for name in ("", "config", "hooks", "refs/heads", "objects", "objects/pack"):
        os.chown(path / name, -1, NOBODY)
        before = (path / name).stat().st_mode
        (path / name).chmod(before | stat.S_IWGRP)
        assert Inspection(path).open_to_others().startswith(f"{path / name} (root:nogroup, mode ")
        (path / name).chmod(before)
    assert Inspection(path).open_to_others() == ""
    os.chown(path, NOBODY, NOBODY)
    assert Inspection(path).open_to_others() == "", "git runs as its owner"


@pytest.mark.parametrize("hook", ["hooks/reference-transaction", "mine/reference-transaction"])
def test_no_hook_of_a_repository_runs(tmp_path: Path, hook: str) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, {"mail.yaml": "x"})
    (program := repository.path / hook).parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    if hook.startswith("mine"):
        git(repository.path, "config", "core.hooksPath", str(program.parent))

    repository.note(oid, "text")

    assert repository.notes(oid) == "text\n"
    assert not (tmp_path / "ran").exists()


def test_a_repository_of_roots_that_others_may_change_is_read_and_not_written(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, {"mail.yaml": "x"})
    (repository.path / "refs/heads").chmod(0o777)

    assert repository.required_tip().oid == oid
    assert "others may change" in repository.limits[0]
    with pytest.raises(Unavailable, match="chown -R git:git"):
        repository.note(oid, "text")
    (repository.path / "refs/heads").chmod(0o755)
    repository.note(oid, "text")
    assert repository.limits == []
