"""Whether a user can use a place follows from the rights of every folder on the way, as the kernel would decide."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from reconciler.host.places import problem
from reconciler.model import Place, PlaceUse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that every user can reach."""
    made = tmp_path / "open"
    made.mkdir()
    above = [one for one in made.parents if one.stat().st_mode & 0o1 == 0]
    modes = {one: one.stat().st_mode for one in above}
    for one in above:
        one.chmod(modes[one] | 0o1)
    yield made
    for one, mode in modes.items():
        one.chmod(mode)


def said(path: Path, use: PlaceUse, user: str = "nobody") -> str:
    told = problem(Place(str(path), user, use))
    assert told is not None
    return told


def kernel(path: Path, test: str, user: int = NOBODY) -> bool:
    argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "test", test, str(path)]
    return subprocess.run(argv, check=False).returncode == 0


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o770, 0o777, 0o750, 0o711, 0o702])
@pytest.mark.parametrize("owner", [0, NOBODY])
@pytest.mark.parametrize("group", [0, NOBODY])
def test_a_folder_is_usable_as_the_kernel_says(folder: Path, mode: int, owner: int, group: int) -> None:
    place = folder / "place"
    place.mkdir()
    os.chown(place, owner, group)
    place.chmod(mode)
    assert (said(place, PlaceUse.FOLDER) == "") is (kernel(place, "-w") and kernel(place, "-x"))


def test_a_folder_that_is_missing_is_made_at_the_start_but_its_parents_are_not(folder: Path) -> None:
    assert said(folder / "new", PlaceUse.FOLDER) == ""
    assert said(folder / "deep/new", PlaceUse.FOLDER) == f"{folder}/deep does not exist"
    (folder / "hidden").mkdir(mode=0o700)
    assert "does not let others pass" in said(folder / "hidden/new", PlaceUse.FOLDER)
    (folder / "file").touch()
    assert said(folder / "file", PlaceUse.FOLDER) == "it is not a folder"
    assert said(folder / "file/new", PlaceUse.FOLDER) != ""


def test_a_file_is_written_or_made_by_its_user(folder: Path) -> None:
    assert said(folder / "gone/all", PlaceUse.FILE) == f"{folder}/gone does not exist"
    assert "can't make it in" in said(folder / "all", PlaceUse.FILE)
    folder.chmod(0o777)
    assert said(folder / "all", PlaceUse.FILE) == ""
    (folder / "all").touch(0o600)
    assert "can't write it (root:root, mode 0600)" in said(folder / "all", PlaceUse.FILE)
    os.chown(folder / "all", NOBODY, NOBODY)
    assert said(folder / "all", PlaceUse.FILE) == ""
    assert said(folder, PlaceUse.FILE) == "it is a folder"
    assert problem(Place("/dev/null", "nobody", PlaceUse.FILE)) == ""


def test_root_writes_everything_but_in_folders_that_are_not_there(folder: Path) -> None:
    assert said(folder / "log", PlaceUse.FILE, "root") == ""
    assert said(folder / "gone/log", PlaceUse.FILE, "root") == f"{folder}/gone does not exist"


def test_every_user_must_pass(folder: Path) -> None:
    assert said(folder, PlaceUse.PASSAGE, "") == ""
    folder.chmod(0o700)
    assert "every user can't use it" in said(folder, PlaceUse.PASSAGE, "")
    (folder / "inner").mkdir()
    assert f"because {folder} does not let others pass" in said(folder / "inner", PlaceUse.PASSAGE, "")


def test_a_link_leads_to_what_counts(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    assert "nobody can't use it" in said(folder / "link", PlaceUse.FOLDER)
    os.chown(folder / "real", NOBODY, NOBODY)
    assert said(folder / "link", PlaceUse.FOLDER) == ""


def test_a_name_that_no_file_can_have_does_not_exist(folder: Path) -> None:
    assert "does not exist" in said(folder / ("x" * 300) / "y", PlaceUse.FILE)


def test_an_unknown_user_gets_no_answer(folder: Path) -> None:
    assert problem(Place(str(folder), "nosuch", PlaceUse.FOLDER)) is None
