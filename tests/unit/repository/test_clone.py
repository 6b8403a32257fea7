"""A file of somebody's clone: never read or written through a link, replaced as a whole, and its owner's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.repository import clone
from tests.unit.other_users import NOBODY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of root's, and a folder of a clone beside it."""
    (tmp_path / "clone/secrets").mkdir(parents=True)
    (tmp_path / "victims").mkdir()
    (path := tmp_path / "victims/x.age").write_text("old")
    return path


def test_a_link_is_replaced_and_not_followed(tmp_path: Path, victim: Path) -> None:
    link = tmp_path / "clone/secrets/x.age"
    link.symlink_to(victim)

    clone.write(tmp_path / "clone", "secrets", "x.age", b"new")

    assert victim.read_text() == "old"
    assert (link.is_symlink(), link.read_text()) == (False, "new")
    assert [path.name for path in link.parent.iterdir()] == ["x.age"]


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "clone/secrets").rmdir()
    (tmp_path / "clone/secrets").symlink_to(victim.parent)

    with pytest.raises(NotADirectoryError):
        clone.write(tmp_path / "clone", "secrets", "x.age", b"new")
    with pytest.raises(NotADirectoryError):
        clone.read(tmp_path / "clone", "secrets", "x.age")
    assert victim.read_text() == "old"


@pytest.mark.parametrize("folder", ["files/sasl", "files/sasl/more"])
def test_a_link_on_the_way_is_refused(tmp_path: Path, victim: Path, folder: str) -> None:
    (tmp_path / "clone/files").symlink_to(victim.parent)
    (victim.parent / "sasl/more").mkdir(parents=True)

    with pytest.raises(NotADirectoryError):
        clone.write(tmp_path / "clone", folder, "x.age", b"new")
    with pytest.raises(NotADirectoryError):
        clone.read(tmp_path / "clone", folder, "x.age")
    assert not list((victim.parent / "sasl").rglob("*.age"))


def test_a_folder_that_is_missing_is_made_for_the_owner_of_the_clone(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "needs root, to write for another user"
    os.chown(tmp_path, NOBODY, NOBODY)

    clone.write(tmp_path, "files/sasl", "x.age", b"new")

    made = [tmp_path / path for path in ("files", "files/sasl", "files/sasl/x.age")]
    assert [path.stat().st_uid for path in made] == [NOBODY] * 3


def test_only_a_regular_file_is_read(tmp_path: Path, victim: Path) -> None:
    folder = tmp_path / "clone/secrets"
    (folder / "link").symlink_to(victim)
    os.mkfifo(folder / "pipe")
    (folder / "file").write_text("text")

    with pytest.raises(OSError, match="symbolic links"):
        clone.read(tmp_path / "clone", "secrets", "link")
    found = [clone.read(tmp_path / "clone", "secrets", name) for name in ("pipe", "file", "missing")]
    assert found == [None, b"text", None]
    assert clone.read(tmp_path, "missing", "file") is None


def test_what_root_writes_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "needs root, to write for another user"
    (folder := tmp_path / "secrets").mkdir()
    os.chown(folder, NOBODY, NOBODY)

    clone.write(tmp_path, "secrets", "x.age", b"new")

    assert (folder / "x.age").stat().st_uid == NOBODY


def test_the_bytes_are_on_disk_before_their_name(tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert victim.exists()
    done, sync, rename = list[str](), os.fsync, os.rename

    def synced(descriptor: int) -> None:
        done.append(f"sync {os.fstat(descriptor).st_size}")
        sync(descriptor)

    def renamed(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        done.append("rename")
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    clone.write(tmp_path / "clone", "secrets", "x.age", b"four")

    assert done == ["sync 4", "rename"]
