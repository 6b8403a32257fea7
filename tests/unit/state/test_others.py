"""Folders and files of other users in the configuration directory: moved once, shared, and given back."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.model import File, Tree
from reconciler.model.errors import Unavailable
from reconciler.state.generations import Generations
from reconciler.state.others import walk
from reconciler.state.source import Source, SourceKind
from tests.unit.other_users import NOBODY

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.state.manifest import Generation

TARGET: Tree = {"main.cf": File.of(b"a = 1\n"), "master.cf": File.of(b"x\n")}
MIB = 1 << 20


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    """A configuration directory with a folder and a file of another user."""
    assert os.geteuid() == 0, "needs root, to give files away"
    live = tmp_path / "etc" / "postfix"
    (live / "panel" / "deep").mkdir(parents=True)
    (live / "sasl").mkdir()
    for name in ("main.cf", "master.cf", "sasl/smtpd.conf", "access", "panel/virtual", "panel/deep/x"):
        (live / name).write_text("old\n")
    for name in ("panel", "panel/deep", "panel/virtual", "access"):
        os.chown(live / name, NOBODY, NOBODY)
    (live / "panel").chmod(0o2750)
    made = Generations(tmp_path / "state", live, Host(), tmp_path / "backup")
    made.prepare()
    return made


def applied(generations: Generations) -> Generation:
    """Make the target live, as a pass does."""
    stage = generations.stage(TARGET, "pass", 1_000_000_000.0)
    placed = generations.place(stage, TARGET, "a" * 40, Source(SourceKind.COMMIT, name="aaaaaaa"))
    generations.switch(placed)
    return placed


def inode(path: Path) -> int:
    """The number of the file or folder that a path leads to."""
    return path.stat().st_ino


def test_a_folder_of_another_user_stays_the_same_folder_from_adoption_to_release(generations: Generations) -> None:
    live = generations.config_directory
    panel, status = inode(live / "panel"), (live / "panel").stat()

    generations.adopt()
    assert inode(live / "panel") == panel
    applied(generations)
    newest = applied(generations)
    assert inode(live / "panel") == panel
    assert (newest.root / "panel").readlink() == live.with_name("postfix.others") / "panel"
    (live / "panel/virtual").write_text("new\n")
    applied(generations)
    assert (live / "panel/virtual").read_text() == "new\n"
    generations.release()

    assert not live.is_symlink()
    assert not (live / "panel").is_symlink()
    now = (live / "panel").stat()
    assert (now.st_ino, now.st_mode, now.st_uid, now.st_gid) == (panel, status.st_mode, NOBODY, NOBODY)
    assert (live / "panel/deep/x").read_text() == "old\n"
    assert not live.with_name("postfix.others").exists()


def test_a_folder_that_another_user_gets_after_adoption_is_set_apart_by_the_next_pass(generations: Generations) -> None:
    live = generations.config_directory
    generations.adopt()
    os.chown(live / "sasl", NOBODY, NOBODY)
    folder = inode(live / "sasl")
    old = generations.live()
    assert old

    new = applied(generations)

    assert (inode(live / "sasl"), inode(old.root / "sasl")) == (folder, folder)
    assert (new.root / "sasl").is_symlink()


def test_a_new_folder_never_takes_the_place_of_an_older_one(generations: Generations) -> None:
    live = generations.config_directory
    generations.adopt()
    applied(generations)
    (live / "panel").unlink()
    (live / "panel").mkdir()
    os.chown(live / "panel", NOBODY, NOBODY)

    applied(generations)

    assert list((live / "panel").iterdir()) == []
    assert (live.with_name("postfix.others") / "panel/virtual").read_text() == "old\n"


def test_a_move_that_was_cut_short_is_finished(generations: Generations) -> None:
    home = generations.config_directory.with_name("postfix.others")
    home.mkdir()
    (home / "panel").symlink_to(home / "panel")  # the link was made, and the exchange did not happen

    generations.adopt()

    assert (generations.config_directory / "panel/virtual").read_text() == "old\n"
    assert not (home / "panel").is_symlink()


def test_a_check_before_adoption_copies_and_moves_nothing(generations: Generations) -> None:
    live = generations.config_directory
    (live / "panel/link").symlink_to("/etc/shadow")
    os.mkfifo(live / "panel/pipe")

    stage = generations.stage(TARGET, "check", 1.0)

    assert not (live / "panel").is_symlink()
    assert not live.with_name("postfix.others").exists()
    assert (stage.root / "panel/deep/x").read_text() == "old\n"
    assert (stage.root / "panel/link").is_symlink()
    assert not (stage.root / "panel/pipe").exists()
    assert (stage.root / "panel").stat().st_uid == NOBODY
    assert stat.S_IMODE((stage.root / "panel").stat().st_mode) == 0o2750


def test_a_file_that_others_edit_is_one_file_in_all_generations(generations: Generations) -> None:
    generations.adopt()
    access = generations.config_directory / "access"
    applied(generations)
    with access.open("w") as stream:
        stream.truncate(300 * MIB)
        first = inode(access)
        applied(generations)
        assert inode(access) == first
        stream.write("new\n")
    assert access.read_text(errors="replace").startswith("new\n")
    assert (generations.rescue / "access").read_text() == "old\n"


def test_who_keeps_editing_what_is_theirs_postpones_no_pass(generations: Generations) -> None:
    generations.adopt()
    live = generations.config_directory
    stage = generations.stage(TARGET, "pass", 1.0)

    (live / "access").write_text("new\n")
    (live / "access").chmod(0o600)
    (live / "panel/virtual").unlink()
    (live / "panel").chmod(0o700)
    assert not generations.foreign_changed(stage, TARGET)

    (live / "sasl/smtpd.conf").write_text("of root\n")
    assert generations.foreign_changed(stage, TARGET)


def test_a_sparse_file_of_root_stays_sparse_in_every_generation(generations: Generations) -> None:
    with (generations.config_directory / "sparse").open("wb") as stream:
        stream.write(b"begin")
        stream.seek(200 * MIB)
        stream.write(b"end")
        stream.truncate(300 * MIB)
    generations.adopt()

    copy = (applied(generations).root / "sparse").open("rb")

    with copy:
        status = os.fstat(copy.fileno())
        assert (status.st_size, status.st_blocks * 512 < MIB) == (300 * MIB, True)
        assert copy.read(6) == b"begin\0"
        copy.seek(200 * MIB)
        assert copy.read(4) == b"end\0"


@pytest.mark.parametrize("adopted", [False, True])
def test_a_configuration_directory_that_others_may_change_is_not_followed(
    generations: Generations, *, adopted: bool
) -> None:
    if adopted:
        generations.adopt()
    os.chown(generations.config_directory, NOBODY, NOBODY)

    with pytest.raises(Unavailable, match=r"another user than root may change it \(nobody:nogroup, mode 0755\)"):
        applied(generations) if adopted else generations.adopt()


def test_a_folder_of_others_is_named_and_not_entered(generations: Generations) -> None:
    assert list(walk(generations.config_directory, {"access"})) == [
        "main.cf", "master.cf", "panel", "sasl", "sasl/smtpd.conf",
    ]  # fmt: skip


def test_an_adoption_that_fails_or_is_cut_short_gives_the_folders_back(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, panel = generations.config_directory, inode(generations.config_directory / "panel")
    with monkeypatch.context() as edited:
        edited.setattr(Generations, "_adopted", lambda *_: (_ for _ in ()).throw(Unavailable("edited meanwhile")))
        with pytest.raises(Unavailable):
            generations.adopt()
    assert (inode(live / "panel"), (live / "panel").is_symlink()) == (panel, False)

    generations.others.set_apart(live)
    (live.with_name("postfix.others") / "left").symlink_to("left")  # a move that was cut short
    generations.unadopt()
    assert (inode(live / "panel"), (live / "panel").is_symlink()) == (panel, False)
    assert not live.with_name("postfix.others").exists()
