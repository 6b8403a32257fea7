"""The record of fetching: what is written is read, and a damaged record is an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.state.fetches import Fetches, FetchRecord

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    fetches = Fetches(tmp_path, Host())
    assert fetches.read() == FetchRecord()
    record = FetchRecord(at="2026-11-22T20:49:00Z", problem="it is gone", advice="reconciler fetch", accepted="ab" * 20)
    fetches.write(record)
    assert Fetches(tmp_path, Host()).read() == record


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"at"', b'{"at": 5}', b'{"at": null}', b"\xff", b"[" * 100_000])
def test_a_damaged_record_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "remote.json").write_bytes(content)
    assert Fetches(tmp_path, Host()).read() == FetchRecord()


def test_a_record_of_a_later_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "remote.json").write_bytes(b'{"accepted": "c0ffee", "more": [1]}')
    assert Fetches(tmp_path, Host()).read() == FetchRecord(accepted="c0ffee")
