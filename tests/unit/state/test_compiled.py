"""A stage takes a copy of a live map only if that is the one which was placed, and made of the source that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.model import File
from reconciler.state.compiled import LiveMaps
from reconciler.state.digests import Digests
from reconciler.state.manifest import FileRecord, Generation, digest
from reconciler.state.source import Source, SourceKind

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


def test_a_map_is_of_the_source_that_it_was_made_from(live: Generation) -> None:
    maps = LiveMaps(live, Host(), Digests())
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
    assert LiveMaps(live, Host(), Digests()).source_of("virtual", source) is None
    assert not LiveMaps(live, Host(), Digests()).is_of("virtual", replace(source, digest=File.of(OLD).digest))


@pytest.mark.parametrize("gone", ["virtual", "virtual.lmdb"])
def test_without_both_files_there_is_none(live: Generation, gone: str) -> None:
    (live.root / gone).unlink()
    assert LiveMaps(live, Host(), Digests()).source_of("virtual", File.of(NEW, compiled=LMDB)) is None


def test_a_source_that_was_edited_by_hand_tells_nothing_of_its_map(live: Generation) -> None:
    (live.root / "virtual").write_bytes(b"edited 1\n")
    assert LiveMaps(live, Host(), Digests()).source_of("virtual", File.of(NEW, compiled=LMDB)) is None


def test_a_map_that_is_not_as_placed_is_not_copied(live: Generation, tmp_path: Path) -> None:
    maps, source = LiveMaps(live, Host(), Digests()), File.of(NEW, compiled=LMDB)
    assert maps.copy("virtual", source, tmp_path)
    assert (tmp_path / "virtual.lmdb").read_bytes() == b"the map of OLD"
    (tmp_path / "virtual.lmdb").unlink()
    (live.root / "virtual.lmdb").write_bytes(b"damaged")
    assert not maps.copy("virtual", source, tmp_path)
    assert not (tmp_path / "virtual.lmdb").exists()


def test_a_map_that_is_edited_while_it_is_copied_is_not_used(
    live: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, source, copy = LiveMaps(live, Host(), Digests()), File.of(NEW, compiled=LMDB), Host.copy

    def edited(host: Host, of: Path, to: Path) -> None:
        of.write_bytes(b"half of an edit")
        copy(host, of, to)

    monkeypatch.setattr(Host, "copy", edited)
    assert not maps.copy("virtual", source, tmp_path)
    assert not (tmp_path / "virtual.lmdb").exists()
