"""What the kernel reports about a folder, and what it does not."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest

from reconciler.daemon.inotify import Inotify, WatchEvent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    """An instance that is closed afterwards."""
    instance = Inotify()
    yield instance
    instance.close()


def test_a_change_has_its_watch_and_its_name(inotify: Inotify, tmp_path: Path) -> None:
    watch = inotify.add(str(tmp_path))
    (tmp_path / "ä").touch()
    assert set(inotify.read()) == {WatchEvent(watch, "ä")}
    assert inotify.read() == []


def test_both_names_of_a_rename_are_reported_at_once(inotify: Inotify, tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    watch = inotify.add(str(tmp_path))
    (tmp_path / "old").rename(tmp_path / "new")
    assert inotify.read() == [WatchEvent(watch, "old"), WatchEvent(watch, "new")]


def test_readers_are_not_reported(inotify: Inotify, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    inotify.add(str(tmp_path))
    (tmp_path / "file").read_text()
    list(tmp_path.iterdir())
    assert inotify.read() == []


def test_a_folder_that_goes_is_a_change_without_a_name(inotify: Inotify, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    watch = inotify.add(str(folder))
    folder.rmdir()
    assert inotify.read() == [WatchEvent(watch, ""), WatchEvent(watch, "", ended=True)]
    inotify.remove(watch)


def test_one_folder_has_one_watch(inotify: Inotify, tmp_path: Path) -> None:
    assert inotify.add(str(tmp_path)) == inotify.add(str(tmp_path))


def test_a_watch_that_was_removed_reports_no_more_changes(inotify: Inotify, tmp_path: Path) -> None:
    watch = inotify.add(str(tmp_path))
    inotify.remove(watch)
    inotify.read()
    (tmp_path / "file").touch()
    assert inotify.read() == []


def test_what_can_not_be_watched_says_why(inotify: Inotify, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inotify.add(str(tmp_path / "nosuch"))
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError) as caught:
        inotify.add(str(tmp_path / "link"))
    assert caught.value.errno == errno.ENOTDIR


def test_dropped_events_are_reported_as_such(monkeypatch: pytest.MonkeyPatch, inotify: Inotify) -> None:
    queue = struct.pack("iIII", -1, 0x4000, 0, 0)
    monkeypatch.setattr(os, "read", lambda *_: queue)
    assert inotify.read() == [WatchEvent(-1, "", overflow=True)]
