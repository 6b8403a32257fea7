"""A digest is that of the bytes that are there now, and a file that is the same is read once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.model import File
from reconciler.state import digests as module
from reconciler.state.digests import Digests

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, in their order."""
    read: list[Path] = []

    def digest(path: Path) -> str:
        read.append(path)
        return File.of(path.read_bytes()).digest

    monkeypatch.setattr(module, "digest", digest)
    return read


def test_a_file_whose_folder_was_renamed_is_not_read_again(tmp_path: Path, read: list[Path]) -> None:
    digests, before, after = Digests(), tmp_path / "stage", tmp_path / "generation"
    before.mkdir()
    (before / "virtual").write_bytes(b"a b\n")
    assert digests.of(before / "virtual") == File.of(b"a b\n").digest
    before.rename(after)
    assert digests.of(after / "virtual") == File.of(b"a b\n").digest
    assert read == [before / "virtual"]


@pytest.mark.parametrize("keep_times", [False, True])
def test_an_edited_file_is_read_again_whatever_its_time_says(
    tmp_path: Path, read: list[Path], *, keep_times: bool
) -> None:
    digests, path = Digests(), tmp_path / "virtual"
    path.write_bytes(b"a b\n")
    digests.of(path)
    status = path.stat()
    path.write_bytes(b"a c and more\n")
    if keep_times:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digests.of(path) == File.of(b"a c and more\n").digest
    assert len(read) == 2


def test_what_was_just_made_is_not_read_until_it_changes(tmp_path: Path, read: list[Path]) -> None:
    digests, path = Digests(), tmp_path / "virtual.lmdb"
    path.write_bytes(b"a map")
    digests.learn(path, "what it is")
    assert digests.of(path) == "what it is"
    assert not read
    path.write_bytes(b"another map")
    assert digests.of(path) == File.of(b"another map").digest


def test_what_is_not_kept_is_read_again(tmp_path: Path, read: list[Path]) -> None:
    digests, paths = Digests(), [tmp_path / "kept", tmp_path / "forgotten"]
    for path in paths:
        path.write_bytes(path.name.encode())
        digests.of(path)
    digests.keep([paths[0], tmp_path / "gone"])
    for path in paths:
        assert digests.of(path) == File.of(path.name.encode()).digest
    assert read == [*paths, paths[1]]
