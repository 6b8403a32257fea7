"""A copy that was made ahead is taken once, only whole, and only if it is what the manifest says."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from reconciler.host.effects import Host
from reconciler.model import File
from reconciler.state import live_files, spares
from reconciler.state.digests import Digests
from reconciler.state.live_files import LiveFiles
from reconciler.state.manifest import FileRecord, Generation
from reconciler.state.source import Source, SourceKind
from reconciler.state.spares import Spares

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAP, SOURCE = b"the map of a table" * 100, b"user@v.example box@out.example\n" * 100
FILES = {"virtual": SOURCE, "virtual.lmdb": MAP, "main.cf": b"small"}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a file of some hundred bytes as a large one."""
    monkeypatch.setattr(spares, "_WORTHWHILE", 1000)
    monkeypatch.setattr(live_files, "LARGE", 1000)


class Ahead(NamedTuple):
    """A generation, the folder of the copies, and an empty stage."""

    live: Generation
    folder: Path
    stage: Path
    spares: Spares
    digests: Digests

    def copy(self, path: str) -> bool:
        """Copy a live file to the stage."""
        files, source = LiveFiles(self.live, Host(), self.digests, self.spares), File.of(FILES[path])
        if path.endswith(".lmdb"):
            return files.copy_map("virtual", replace(source, compiled="postmap lmdb"), self.stage)
        return files.copy(path, source, self.stage)

    def there(self) -> set[str]:
        """Return the names of the copies."""
        return {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()


def generation(tmp_path: Path, number: int, files: Mapping[str, bytes]) -> Generation:
    root = tmp_path / f"{number}-a" / "postfix"
    root.mkdir(parents=True)
    for path, content in files.items():
        (root / path).write_bytes(content)
        (root / path).chmod(0o644)
    records = {path: FileRecord(0o644, "root:root", File.of(content).digest) for path, content in files.items()}
    return Generation(number, root.parent, "a" * 40, Source(SourceKind.COMMIT), records)


@pytest.fixture
def ahead(tmp_path: Path) -> Ahead:
    digests, folder, stage = Digests(), tmp_path / "private" / "spares", tmp_path / "stage"
    for path in (folder.parent, stage):
        path.mkdir()
    return Ahead(generation(tmp_path, 1, FILES), folder, stage, Spares(folder, Host(), digests), digests)


def names(*paths: str) -> set[str]:
    return {File.of(FILES[path]).digest for path in paths}


def test_the_large_files_of_what_is_live_are_copied_for_root_alone(ahead: Ahead) -> None:
    ahead.spares.renew(ahead.live)

    assert ahead.there() == names("virtual", "virtual.lmdb")
    assert ahead.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("path", ["virtual", "virtual.lmdb"])
def test_a_copy_is_taken_once_and_is_another_file_than_the_live_one(ahead: Ahead, path: str) -> None:
    ahead.spares.renew(ahead.live)
    (copy,) = (one for one in ahead.folder.iterdir() if one.name in names(path))
    number = copy.stat().st_ino

    assert ahead.copy(path)
    assert (ahead.stage / path).stat().st_ino == number
    assert (ahead.stage / path).read_bytes() == FILES[path]
    assert ahead.digests.of(ahead.stage / path) in names(path)
    assert ahead.there() == names("virtual", "virtual.lmdb") - names(path)
    (ahead.stage / path).rename(ahead.stage / "taken")
    assert ahead.copy(path), "without a copy, the stage makes its own"
    assert (ahead.stage / path).stat().st_ino not in {number, (ahead.live.root / path).stat().st_ino}


@pytest.mark.parametrize("edit", ["bytes", "mode", "owner", "cut short"])
def test_a_copy_that_is_not_what_the_manifest_says_is_not_taken(ahead: Ahead, edit: str) -> None:
    ahead.spares.renew(ahead.live)
    (copy,) = (one for one in ahead.folder.iterdir() if one.name in names("virtual.lmdb"))
    if edit == "bytes":
        copy.write_bytes(MAP[::-1])
    elif edit == "mode":
        copy.chmod(0o600)
    elif edit == "owner":
        os.chown(copy, 1, 1)
    else:
        os.truncate(copy, 5)

    assert ahead.copy("virtual.lmdb")
    assert (ahead.stage / "virtual.lmdb").stat().st_ino != copy.stat().st_ino
    assert (ahead.stage / "virtual.lmdb").read_bytes() == MAP
    status = (ahead.stage / "virtual.lmdb").stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o644, 0)


def test_copies_of_an_earlier_process_are_taken_for_what_they_hold(ahead: Ahead) -> None:
    ahead.spares.renew(ahead.live)
    again = ahead._replace(digests=Digests())
    again = again._replace(spares=Spares(ahead.folder, Host(), again.digests))

    assert again.copy("virtual.lmdb")
    assert (ahead.stage / "virtual.lmdb").read_bytes() == MAP


def test_what_is_of_no_use_any_more_goes(ahead: Ahead, tmp_path: Path) -> None:
    ahead.spares.renew(ahead.live)
    (ahead.folder / ".new").write_bytes(b"of a process that was killed")
    ahead.spares.renew(generation(tmp_path, 2, {**FILES, "virtual.lmdb": MAP + b"."}))
    assert ahead.there() == names("virtual") | {File.of(MAP + b".").digest}
    ahead.spares.renew(None)
    assert ahead.there() == set()


def test_a_file_that_was_edited_by_hand_has_no_copy(ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    (ahead.live.root / "virtual.lmdb").write_bytes(MAP[::-1])
    copy = Host.copy

    def edited(host: Host, of: Path, to: Path) -> None:
        of.write_bytes(FILES[of.name][::-1])
        copy(host, of, to)

    monkeypatch.setattr(Host, "copy", edited)
    ahead.spares.renew(ahead.live)
    assert ahead.there() == set()


def test_a_disk_that_is_rather_full_gets_no_copies(ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "_FREE", 1 << 60)
    ahead.spares.renew(ahead.live)
    assert ahead.there() == set()
