"""What takes the place of the link to the configuration, and how the link comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.apply.recover import recover
from reconciler.host.programs import postfix
from reconciler.model.errors import Unavailable
from reconciler.model.phase import Halted, Phase, Steady, Suspended
from reconciler.state import place
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def remove(directory: Path) -> None:
    """Remove the link."""
    directory.unlink()


def folder(directory: Path) -> None:
    """Put a folder with a file in the place of the link."""
    directory.unlink()
    directory.mkdir()
    (directory / "main.cf").write_text("theirs = 1\n")


def link(directory: Path) -> None:
    """Put another link in the place of the link."""
    directory.unlink()
    (directory.parent / "other").mkdir()
    (directory.parent / "other/main.cf").write_text("theirs = 1\n")
    directory.symlink_to(directory.parent / "other")


TAKEN = {"is missing": remove, "is a folder": folder, "is a link to": link}


def remembered(folder: Path, **settings: object) -> Adopted:
    """Return an adopted folder after its first pass."""
    adopted = Adopted.made_in(folder, **settings)
    adopted.edges.generations.place_of_link.remember()
    return adopted


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    """An adopted folder whose Postfix does not run."""
    monkeypatch.setattr(postfix, "running", lambda _: None)
    monkeypatch.setattr(postfix, "live", lambda *_: None)
    return remembered(tmp_path)


@pytest.mark.parametrize("what", TAKEN)
def test_what_took_the_place_is_told_and_kept_and_the_link_comes_back(adopted: Adopted, what: str) -> None:
    generations, directory = adopted.edges.generations, adopted.edges.settings.config_directory
    assert not generations.place_of_link.taken
    TAKEN[what](directory)
    assert f"{directory} {what}" in generations.place_of_link.taken
    assert "`reconciler once --adopt`" in generations.place_of_link.taken

    recover(adopted.edges)

    assert generations.adopted
    assert not generations.place_of_link.taken
    told = adopted.edges.journal.last()
    assert told
    assert what in told.why
    kept = directory.with_name("postfix.found-1")
    assert (kept / "main.cf").exists() == (TAKEN[what] is not remove)
    if TAKEN[what] is not remove:
        assert (kept / "main.cf").read_text() == "theirs = 1\n"


@pytest.mark.parametrize("again", [folder, link])
def test_the_second_one_is_kept_beside_the_first(adopted: Adopted, again: Callable[[Path], None]) -> None:
    directory = adopted.edges.settings.config_directory
    folder(directory)
    recover(adopted.edges)
    again(directory)
    recover(adopted.edges)

    assert directory.with_name("postfix.found-2").exists()
    assert adopted.edges.generations.adopted


@pytest.mark.parametrize("phase", [Suspended("work", "root"), Halted("broken")])
def test_in_a_pause_only_a_missing_link_comes_back_until_an_operator_asks(adopted: Adopted, phase: Phase) -> None:
    directory = adopted.edges.settings.config_directory
    adopted.edges.journal.set_phase(phase)
    folder(directory)
    recover(adopted.edges)
    assert not adopted.edges.generations.adopted
    recover(adopted.edges, asked=True)
    assert adopted.edges.generations.adopted
    remove(directory)
    recover(adopted.edges)
    assert adopted.edges.generations.adopted


def test_with_the_policy_report_a_folder_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postfix, "running", lambda _: None)
    adopted = remembered(tmp_path, drift_policy="report")
    folder(adopted.edges.settings.config_directory)
    recover(adopted.edges)
    assert not adopted.edges.generations.adopted
    assert adopted.edges.generations.place_of_link.taken


def test_a_directory_that_was_never_adopted_or_was_released_is_nobodys_place(adopted: Adopted, tmp_path: Path) -> None:
    generations = adopted.edges.generations
    generations.release()
    assert not generations.place_of_link.taken
    adopted.edges.journal.set_phase(Steady())
    other = place.LinkPlace(tmp_path / "etc/other", generations.link, generations.private, adopted.edges.host)
    assert not other.taken
    generations.adopt()
    generations.place_of_link.remember()
    assert not other.taken, "another directory is adopted"


def test_a_mount_point_is_told_and_stays(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    generations, directory = adopted.edges.generations, adopted.edges.settings.config_directory
    folder(directory)
    monkeypatch.setattr(place, "mounts_in", lambda path: [path])
    assert "is a mount point" in generations.place_of_link.taken
    assert f"unmount {directory}" in generations.place_of_link.taken
    with pytest.raises(Unavailable, match="is a mount point"):
        recover(adopted.edges)
    assert not directory.is_symlink()


def test_an_exchange_that_was_cut_short_leaves_no_second_name(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, host = adopted.edges.settings.config_directory, adopted.edges.host
    folder(directory)
    with monkeypatch.context() as killed:
        killed.setattr(host, "exchange", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            recover(adopted.edges)
    recover(adopted.edges)
    assert sorted(path.name for path in directory.parent.iterdir()) == ["postfix", "postfix.found-1"]
    assert directory.with_name("postfix.found-1").is_dir()
    assert not directory.with_name("postfix.found-1").is_symlink()


def test_somebodys_link_and_a_mount_point_are_not_adopted_and_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted = Adopted.made_in(tmp_path)
    generations, directory = adopted.edges.generations, adopted.edges.settings.config_directory
    generations.release()
    directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match=r"is a link to .*elsewhere, which somebody else made; nothing was adopted"):
        generations.adopt()
    assert directory.readlink() == tmp_path / "elsewhere"

    directory.unlink()
    (tmp_path / "elsewhere").rename(directory)
    with monkeypatch.context() as mounted:
        mounted.setattr(place, "mounts_in", lambda path: [path / "sasl"])
        with pytest.raises(Unavailable, match="sasl is a mount point"):
            generations.adopt()
    assert not directory.is_symlink()
    generations.adopt()
    assert directory.is_symlink()
