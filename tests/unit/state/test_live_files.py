"""A stage takes a copy of a live file only if that is the one which was placed, and of a map made of its source."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.model import File
from reconciler.state.digests import Digests
from reconciler.state.live_files import LiveFiles
from reconciler.state.manifest import FileRecord, Generation, digest
from reconciler.state.source import Source, SourceKind
from reconciler.state.spares import Spares

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = b"a b\n", b"a c\n"
LMDB = "postmap lmdb"


@pytest.fixture
def live(tmp_path: Path) -> Generation:
    root = tmp_path / "1-a" / "postfix"
    root.mkdir(parents=True)
    (root / "virtual").write_bytes(OLD)
    (root / "virtual.lmdb").write_bytes(b"the map of OLD")
    records = {
        "virtual": FileRecord(0o644, "root:root", File.of(OLD).digest, LMDB),
        "virtual.lmdb": FileRecord(0o644, "root:root", digest(root / "virtual.lmdb"), made_from="virtual"),
    }
    return Generation(1, root.parent, "a" * 40, Source(SourceKind.COMMIT), records)


def files(live: Generation, host: Host, digests: Digests) -> LiveFiles:
    """Return the files of a generation, of which no copies were made ahead."""
    return LiveFiles(live, host, digests, Spares(live.path.parent / "spares", host, digests))


def test_a_map_is_of_the_source_that_it_was_made_from(live: Generation) -> None:
    maps = files(live, Host(), Digests())
    assert maps.is_of("virtual", File.of(OLD, compiled=LMDB))
    assert not maps.is_of("virtual", File.of(NEW, compiled=LMDB))
    assert maps.source_of("virtual", File.of(NEW, compiled=LMDB)) == OLD


@pytest.mark.parametrize(
    "source",
    [
        File.of(NEW, 0o600, compiled=LMDB),
        File.of(NEW, compiled="postmap hash"),
        File.of(NEW, compiled="postalias lmdb"),
    ],
)
def test_another_mode_or_type_is_another_map(live: Generation, source: File) -> None:
    assert files(live, Host(), Digests()).source_of("virtual", source) is None
    assert not files(live, Host(), Digests()).is_of("virtual", replace(source, digest=File.of(OLD).digest))


@pytest.mark.parametrize("gone", ["virtual", "virtual.lmdb"])
def test_without_both_files_there_is_none(live: Generation, gone: str) -> None:
    (live.root / gone).unlink()
    assert files(live, Host(), Digests()).source_of("virtual", File.of(NEW, compiled=LMDB)) is None


def test_a_source_that_was_edited_by_hand_tells_nothing_of_its_map(live: Generation) -> None:
    (live.root / "virtual").write_bytes(b"edited 1\n")
    assert files(live, Host(), Digests()).source_of("virtual", File.of(NEW, compiled=LMDB)) is None


def test_a_map_that_is_not_as_placed_is_not_copied(live: Generation, tmp_path: Path) -> None:
    maps, source = files(live, Host(), Digests()), File.of(NEW, compiled=LMDB)
    assert maps.copy_map("virtual", source, tmp_path)
    assert (tmp_path / "virtual.lmdb").read_bytes() == b"the map of OLD"
    (tmp_path / "virtual.lmdb").unlink()
    (live.root / "virtual.lmdb").write_bytes(b"damaged")
    assert not maps.copy_map("virtual", source, tmp_path)
    assert not (tmp_path / "virtual.lmdb").exists()


def test_a_map_that_is_edited_while_it_is_copied_is_not_used(
    live: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, source, copy = files(live, Host(), Digests()), File.of(NEW, compiled=LMDB), Host.copy

    def edited(host: Host, of: Path, to: Path) -> None:
        of.write_bytes(b"half of an edit")
        copy(host, of, to)

    monkeypatch.setattr(Host, "copy", edited)
    assert not maps.copy_map("virtual", source, tmp_path)
    assert not (tmp_path / "virtual.lmdb").exists()


@pytest.mark.parametrize("edit", ["mode", "owner", "bytes"])
def test_a_map_of_another_mode_or_owner_than_it_was_placed_with_is_not_copied(
    live: Generation, tmp_path: Path, edit: str
) -> None:
    made = live.root / "virtual.lmdb"
    if edit == "mode":
        made.chmod(0o600)
    elif edit == "owner":
        os.chown(made, 0, 1)
    else:
        made.write_bytes(b"another map...")
    assert not files(live, Host(), Digests()).copy_map("virtual", File.of(OLD, compiled=LMDB), tmp_path)
    assert not (tmp_path / "virtual.lmdb").exists()


# ---- sources ---------------------------------------------------------------------------------------------------------

LONG = b"user@v.example box@out.example\n" * 10_000


@pytest.fixture
def large(live: Generation) -> Generation:
    (live.root / "virtual").write_bytes(LONG)
    records = {**live.files, "virtual": replace(live.files["virtual"], sha256=File.of(LONG).digest)}
    return replace(live, files=records)


def unread(content: bytes, mode: int = 0o644) -> File:
    """Return a file whose bytes are not to be asked for."""
    return replace(File.of(content, mode, compiled=LMDB), read=lambda: pytest.fail("it was read"))


def test_a_large_source_is_copied_without_reading_the_new_one(large: Generation, tmp_path: Path) -> None:
    digests = Digests()
    assert files(large, Host(), digests).copy("virtual", unread(LONG), tmp_path)
    assert (tmp_path / "virtual").read_bytes() == LONG
    assert digests.of(tmp_path / "virtual") == digest(tmp_path / "virtual")
    (large.root / "virtual").write_bytes(LONG.replace(b"box", b"fox", 1))
    assert (tmp_path / "virtual").read_bytes() == LONG  # it is no second name of the live one


@pytest.mark.parametrize("other", [unread(LONG + b"a b\n"), unread(LONG, 0o640)], ids=["content", "mode"])
def test_a_source_that_differs_is_not_copied(large: Generation, tmp_path: Path, other: File) -> None:
    assert not files(large, Host(), Digests()).copy("virtual", other, tmp_path)
    assert not (tmp_path / "virtual").exists()


def test_a_small_source_is_written(live: Generation, tmp_path: Path) -> None:
    assert not files(live, Host(), Digests()).copy("virtual", File.of(OLD, compiled=LMDB), tmp_path)


@pytest.mark.parametrize("edit", ["mode", "bytes", "gone", "link"])
def test_a_source_that_was_edited_by_hand_is_written_anew(large: Generation, tmp_path: Path, edit: str) -> None:
    source = large.root / "virtual"
    if edit == "mode":
        source.chmod(0o600)
    elif edit == "bytes":
        source.write_bytes(LONG.replace(b"box", b"fox", 1))
    else:
        source.rename(tmp_path / "aside")
        if edit == "link":
            source.symlink_to(tmp_path / "aside")
    stage = tmp_path / "stage"
    stage.mkdir()
    assert not files(large, Host(), Digests()).copy("virtual", unread(LONG), stage)
    assert not (stage / "virtual").exists()
