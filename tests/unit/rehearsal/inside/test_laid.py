"""What is laid in the root of a rehearsal before it is entered, when a link in it would lead to the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.rehearsal.inside import laid, shown


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root that is not entered yet."""
    (made := tmp_path / "base").mkdir()
    monkeypatch.setattr(laid, "BASE", made)
    return made


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of another user, who replaces names in it, beside one that is not theirs."""
    (tmp_path / "victims").mkdir()
    (made := tmp_path / "theirs").mkdir()
    return made


def found(path: Path) -> shown.Reached:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return followed(path)


def followed(path: Path) -> shown.Reached:
    reached = shown.find(str(path))
    assert reached is not None
    return reached


def link(path: Path, target: Path) -> shown.Reached:
    """Return what the path of a link leads to, and remove the link."""
    path.symlink_to(target)
    reached = followed(path / "closed" if target.is_dir() else path)
    path.unlink()
    return reached


def inside(path: Path) -> Path:
    return laid.BASE / path.relative_to("/")


def test_folders_and_links_are_as_on_the_host(theirs: Path) -> None:
    (theirs / "real").mkdir(mode=0o750)
    (theirs / "real").chmod(0o751)
    file = found(theirs / "real/table")
    (theirs / "way").symlink_to("real")
    reached = followed(theirs / "way/table")
    laid.lay(reached)
    assert inside(theirs / "way").readlink() == Path("real")
    assert inside(theirs / "real").stat().st_mode & 0o777 == 0o751
    assert reached.real == file.real


def test_a_name_that_was_a_link_and_is_a_folder_leads_to_nothing_of_the_host(theirs: Path) -> None:
    victims = theirs.parent / "victims"
    (victims / "closed").write_text("kept")
    laid.lay(link(theirs / "inner", victims))
    assert inside(theirs / "inner").is_symlink()
    later = found(theirs / "inner/deep/table")
    (theirs / "inner/way").symlink_to(later.real)
    by_link = followed(theirs / "inner/way")
    for reached in (later, by_link):
        laid.lay(reached)
        assert not laid.copy(reached)
        assert not laid.show(reached)
        laid.put("stand-in", inside(reached.real))
    assert [path.name for path in victims.iterdir()] == ["closed"]


def test_a_copy_is_not_written_through_a_link(theirs: Path) -> None:
    target = theirs.parent / "victims/new"
    target.write_text("x")
    laid.lay(link(theirs / "table", target))
    target.unlink()
    table = found(theirs / "table")
    assert not laid.copy(table)
    assert not laid.show(table)
    laid.put("stand-in", inside(table.real))
    assert not target.exists()


def test_what_was_exchanged_after_it_was_found_is_not_copied(base: Path, theirs: Path) -> None:
    table = found(theirs / "table")
    (theirs / "table").rename(theirs / "old")
    (theirs / "table").symlink_to(theirs.parent / "victims/closed")
    (theirs.parent / "victims/closed").write_text("secret")
    assert not laid.copy(table)
    assert "secret" not in "".join(path.read_text() for path in base.rglob("*") if path.is_file())


def test_what_is_replaced_meanwhile_is_looked_at_again(theirs: Path) -> None:
    for folder in (theirs, *theirs.parents):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o755)
    table = found(theirs / "table")
    (theirs / "new").write_text("new")
    (theirs / "new").rename(theirs / "table")
    assert laid.show_if_open(str(theirs / "table"), table, copied=True)
    assert inside(theirs / "table").read_text() == "new"
