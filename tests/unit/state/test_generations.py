"""Generations on a real file system: staged, placed whole, switched by one rename, watched for drift, adopted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.host.effects import Host
from reconciler.model import File, Tree
from reconciler.model.errors import Unavailable
from reconciler.state import generations as module
from reconciler.state.foreign import identities
from reconciler.state.generations import Generations
from reconciler.state.source import Source, SourceKind

if TYPE_CHECKING:
    from reconciler.state.manifest import Generation, Signature

TARGET: Tree = {"main.cf": File.of(b"a = 1\n"), "master.cf": File.of(b"x\n"), "secret": File.of(b"s\n", 0o600)}


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    live = tmp_path / "etc" / "postfix"
    (live / "sasl").mkdir(parents=True)
    (live / "main.cf").write_text("old = 1\n")
    (live / "master.cf").write_text("old\n")
    (live / "dynamicmaps.cf").write_text("foreign\n")
    (live / "script").write_text("#!/bin/sh\n")
    (live / "script").chmod(0o755)
    (live / "link").symlink_to("/usr/share/nowhere")
    made = Generations(tmp_path / "state", live, Host(), tmp_path / "backup")
    made.prepare()
    return made


def applied(generations: Generations, target: Tree = TARGET, revision: str = "a" * 40) -> Generation:
    stage = generations.stage(target, "pass", 1_000_000_000.0)
    placed = generations.place(stage, target, revision, Source(SourceKind.COMMIT, name=revision[:7]))
    generations.switch(placed)
    return placed


@pytest.mark.parametrize(
    ("source", "revision", "name"),
    [
        (Source(SourceKind.COMMIT, name="3f2a9c1"), "3f2a9c1d" * 5, "0-3f2a9c1"),
        (Source(SourceKind.ADOPTED), "", "0-adopted"),
        (Source(SourceKind.ROLLBACK, number=7), "", "0-rollback"),
        (Source(SourceKind.RESCUE), "", "0-rescue"),
        (Source(SourceKind.BACK, number=7), "3f2a9c1d" * 5, "0-3f2a9c1"),
        (Source(SourceKind.BACK, number=0), "", "0-back"),
    ],
)
def test_a_folder_is_named_after_the_commit_else_after_what_made_it(
    generations: Generations, source: Source, revision: str, name: str
) -> None:
    stage = generations.stage(TARGET, "pass", 1_000_000_000.0)

    assert generations.place(stage, TARGET, revision, source).path.name == name


def test_adoption_exchanges_the_directory_for_a_link_to_the_very_same_bytes(generations: Generations) -> None:
    before = {path.name: path.read_bytes() for path in generations.config_directory.iterdir() if path.is_file()}

    generations.adopt()

    assert generations.adopted
    assert generations.config_directory.readlink() == generations.link
    after = {path.name: path.read_bytes() for path in generations.config_directory.iterdir() if path.is_file()}
    assert after == before
    assert (generations.config_directory / "link").readlink().name == "nowhere"
    assert (generations.rescue / "main.cf").read_text() == "old = 1\n"
    assert not generations.beside.exists()


def test_a_pass_replaces_what_is_ours_and_carries_what_is_foreign(generations: Generations) -> None:
    generations.adopt()

    applied(generations)

    live = generations.config_directory
    assert (live / "main.cf").read_text() == "a = 1\n"
    assert (live / "main.cf").stat().st_mtime == 1_000_000_000.0
    assert (live / "secret").stat().st_mode & 0o7777 == 0o600
    assert (live / "dynamicmaps.cf").read_text() == "foreign\n"
    assert (live / "script").stat().st_mode & 0o7777 == 0o755
    assert (live / "sasl").is_dir()


def test_a_file_that_goes_while_a_stage_is_made_changes_what_is_foreign(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    generations.adopt()
    moment = generations.config_directory / "main.cf.tmp"
    moment.write_text("")

    def seen(*around: Any) -> dict[str, Signature]:  # noqa: ANN401 - as identities() has them
        found = identities(*around)
        moment.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(module, "identities", seen)
    stage = generations.stage(TARGET, "beside-an-edit", 1_000_000_000.0)
    assert "main.cf.tmp" in stage.foreign
    assert (stage.root / "dynamicmaps.cf").exists()
    assert not (stage.root / "main.cf.tmp").exists()
    assert generations.foreign_changed(stage, TARGET)


def test_folders_can_be_traversed_by_all_but_private(generations: Generations) -> None:
    generations.adopt()
    generation = applied(generations)

    modes = {path: path.stat().st_mode & 0o777 for path in (generations.state, generation.path, generation.root)}

    assert all(mode & 0o011 == 0o011 for mode in modes.values()), modes
    assert generations.private.stat().st_mode & 0o777 == 0o700


def test_what_the_target_no_longer_holds_is_gone(generations: Generations) -> None:
    generations.adopt()
    applied(generations)

    applied(generations, {path: file for path, file in TARGET.items() if path != "secret"})

    assert not (generations.config_directory / "secret").exists()


@pytest.mark.parametrize("edit", ["write", "chmod", "delete", "rename", "symlink", "directory"])
def test_every_kind_of_edit_of_our_files_is_drift(generations: Generations, edit: str) -> None:
    generations.adopt()
    applied(generations)
    main = generations.config_directory / "main.cf"
    assert generations.drift() == ()

    if edit == "write":
        main.write_text("a = 2\n")
    elif edit == "chmod":
        main.chmod(0o666)
    else:
        main.unlink()
    if edit == "rename":
        (generations.config_directory / "new").write_text("a = 2\n")
        (generations.config_directory / "new").rename(main)
    elif edit == "symlink":
        main.symlink_to("/dev/null")
    elif edit == "directory":
        main.mkdir()

    assert generations.drift() == ("main.cf",)


def test_foreign_files_are_never_drift(generations: Generations) -> None:
    generations.adopt()
    applied(generations)

    (generations.config_directory / "dynamicmaps.cf").write_text("edited\n")
    (generations.config_directory / "new").write_text("new\n")

    assert generations.drift() == ()


def test_a_foreign_file_that_changes_after_it_was_carried_is_noticed(generations: Generations) -> None:
    generations.adopt()
    stage = generations.stage(TARGET, "pass", 1.0)
    assert not generations.foreign_changed(stage, TARGET)

    (generations.config_directory / "new").write_text("new\n")

    assert generations.foreign_changed(stage, TARGET)


def test_numbers_only_grow_and_only_the_last_are_kept(generations: Generations) -> None:
    generations.adopt()
    for _ in range(5):
        applied(generations)

    generations.prune(keep=2)

    assert [generation.number for generation in generations.all()] == [5, 4]


def test_the_live_generation_is_never_pruned(generations: Generations) -> None:
    generations.adopt()
    first = applied(generations)
    for _ in range(3):
        applied(generations)
    generations.switch(first)

    generations.prune(keep=1)

    assert [generation.number for generation in generations.all()] == [4, 1]


def test_an_edited_generation_is_tainted(generations: Generations) -> None:
    generations.adopt()
    generation = applied(generations)

    generations.taint(generation)

    assert generations.get(generation.path).tainted


def test_rescue_is_what_the_host_had(generations: Generations) -> None:
    generations.adopt()
    applied(generations)

    tree = generations.rescue_tree()

    assert {path: file.read() for path, file in tree.items()} == {"main.cf": b"old = 1\n", "master.cf": b"old\n"}


def test_a_lost_live_link_is_made_anew_and_names_the_newest_generation_to_be_trusted(generations: Generations) -> None:
    generations.adopt()
    good, bad = applied(generations), applied(generations)
    generations.taint(bad)
    generations.link.unlink()

    assert generations.heal() == good
    assert generations.live() == good


def test_a_lost_live_link_never_names_a_generation_that_is_not_whole_while_another_is(generations: Generations) -> None:
    generations.adopt()
    good, bad, worse = applied(generations), applied(generations), applied(generations)
    (bad.root / "main.cf").unlink()
    (worse.path / "manifest.json").write_bytes(b"")
    generations.link.unlink()

    assert generations.heal() == good


def test_the_only_generation_is_better_than_none_even_if_it_was_edited(generations: Generations) -> None:
    only = generations.adopt()
    (generations.config_directory / "main.cf").write_text("edited = 1\n")
    generations.link.unlink()

    assert generations.heal() == only


def test_a_folder_in_place_of_the_live_link_is_kept_beside_it(generations: Generations) -> None:
    generations.adopt()
    good = applied(generations)
    for number in (1, 2):
        generations.link.unlink()
        generations.link.mkdir()
        (generations.link / "main.cf").write_text(f"found = {number}\n")
        assert generations.live() is None

        assert generations.heal() == good

        assert generations.live() == good
        assert (generations.link.parent / f"postfix.found-{number}" / "main.cf").read_text() == f"found = {number}\n"


# ---- the files from before adoption ----------------------------------------------------------------------------------


def listed(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_adoption_keeps_the_files_outside_of_the_state_as_well_for_root_only(generations: Generations) -> None:
    generations.adopt()

    assert generations.original == generations.rescue
    assert listed(generations.backup) == listed(generations.rescue)
    assert {"main.cf", "master.cf", "dynamicmaps.cf", "script", "link"} <= listed(generations.backup).keys()
    assert (generations.backup / "script").stat().st_mode & 0o777 == 0o755
    assert generations.backup.parent.stat().st_mode & 0o777 == 0o700
    assert generations.limits() == []


def test_a_copy_that_is_missing_is_made_from_the_other(generations: Generations) -> None:
    generations.adopt()
    files = listed(generations.rescue)
    for missing in (generations.backup, generations.rescue):
        shutil.rmtree(missing)
        assert generations.limits() == [f"{missing} is missing; it should hold the files from before adoption"]

        generations.keep_originals()

        assert listed(missing) == files


def test_an_adoption_after_a_loss_keeps_what_the_host_has_now(generations: Generations) -> None:
    generations.adopt()
    generations.release()
    shutil.rmtree(generations.state)
    (generations.config_directory / "main.cf").write_text("newer = 1\n")

    generations.prepare()
    generations.adopt()

    assert (generations.backup / "main.cf").read_text() == "newer = 1\n"


def test_a_later_adoption_keeps_the_files_from_before_the_first(generations: Generations) -> None:
    generations.adopt()
    files = listed(generations.rescue)
    generations.release()
    (generations.config_directory / "main.cf").write_text("newer = 1\n")

    generations.adopt()

    assert listed(generations.rescue) == listed(generations.backup) == files


@pytest.mark.parametrize("gone", ["everything", "generations"])
def test_a_lost_state_is_told_and_restored_from_the_copy(generations: Generations, gone: str) -> None:
    generations.adopt()
    applied(generations)
    files = listed(generations.rescue)
    assert generations.lost == ""
    shutil.rmtree(generations.state if gone == "everything" else generations.folder)
    generations.prepare()

    assert generations.heal() is None
    origin = generations.backup if gone == "everything" else generations.rescue
    assert "run `reconciler rescue`" in generations.lost
    assert str(origin) in generations.lost
    with pytest.raises(Unavailable, match="no generation is left"):
        generations.release()

    restored = generations.restore()

    assert generations.live() == restored
    assert listed(generations.config_directory) == files
    assert restored.files.keys() == {"main.cf", "master.cf"}


def test_without_any_copy_that_is_told(generations: Generations) -> None:
    generations.adopt()
    for folder in (generations.state, generations.backup):
        shutil.rmtree(folder)
    generations.prepare()

    assert "there is no copy of the files from before adoption" in generations.lost
    with pytest.raises(Unavailable, match="there is no copy"):
        generations.restore()


def test_only_a_folder_of_a_generation_is_held(generations: Generations) -> None:
    live = generations.adopt()

    assert generations.holds(live.path)
    for other in (live.root, generations.folder, generations.folder / "9-gone", generations.rescue, Path("/etc")):
        assert not generations.holds(other)


def test_a_link_that_leads_out_of_the_directory_leads_there_from_every_generation(generations: Generations) -> None:
    outside = generations.config_directory.parent / "pki"
    outside.mkdir()
    (outside / "key").write_text("secret\n")
    (generations.config_directory / "ssl").symlink_to("../pki")

    generations.adopt()
    applied(generations)

    assert (generations.config_directory / "ssl" / "key").read_text() == "secret\n"
    assert (generations.rescue / "ssl" / "key").read_text() == "secret\n"


NESTED: Tree = {**TARGET, "a/b/c.conf": File.of(b"c\n", 0o640), "sasl/x.conf": File.of(b"x\n", 0o755)}


def test_files_in_folders_come_go_and_leave_no_folder_of_ours(generations: Generations) -> None:
    live = generations.config_directory
    (live / "sasl").chmod(0o710)
    generations.adopt()

    applied(generations, NESTED)

    assert (live / "a/b/c.conf").stat().st_mode & 0o7777 == 0o640
    assert (live / "a/b").stat().st_mode & 0o7777 == 0o755
    assert (live / "sasl").stat().st_mode & 0o7777 == 0o710  # the host's own
    assert (live / "sasl/x.conf").read_bytes() == b"x\n"
    assert generations.drift() == ()
    (live / "a/b/c.conf").write_text("edited\n")
    assert generations.drift() == ("a/b/c.conf",)

    applied(generations)

    assert not (live / "a").exists()
    assert list((live / "sasl").iterdir()) == []


def test_what_is_foreign_in_a_folder_of_ours_stays(generations: Generations) -> None:
    generations.adopt()
    applied(generations, NESTED)
    (generations.config_directory / "a/b/theirs").write_text("x\n")

    applied(generations)

    assert (generations.config_directory / "a/b/theirs").read_text() == "x\n"
    assert not (generations.config_directory / "a/b/c.conf").exists()


def test_a_link_in_the_place_of_a_folder_of_ours_is_an_edit_and_nothing_is_written_through_it(
    generations: Generations, tmp_path: Path
) -> None:
    generations.adopt()
    applied(generations, NESTED)
    elsewhere, live = tmp_path / "elsewhere", generations.config_directory
    (elsewhere / "b").mkdir(parents=True)
    shutil.rmtree(live / "a")
    (live / "a").symlink_to(elsewhere)
    assert generations.drift() == ("a/b/c.conf",)

    applied(generations, NESTED)

    assert not (live / "a").is_symlink()
    assert (live / "a/b/c.conf").read_bytes() == b"c\n"
    assert list((elsewhere / "b").iterdir()) == []


def test_nothing_is_written_through_a_foreign_link(generations: Generations, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (generations.config_directory / "a").symlink_to(tmp_path / "elsewhere")
    generations.adopt()

    with pytest.raises(Unavailable, match="a has the place of a folder"):
        generations.stage(NESTED, "pass", 1.0)

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_rescue_brings_back_a_file_that_a_commit_had_the_place_of_and_left(generations: Generations) -> None:
    (generations.config_directory / "sasl/x.conf").write_text("the host's own\n")
    generations.adopt()
    applied(generations, NESTED)
    applied(generations)
    assert not (generations.config_directory / "sasl/x.conf").exists()

    tree = generations.rescue_tree()

    assert tree["sasl/x.conf"].read() == b"the host's own\n"
    assert "a/b/c.conf" not in tree
