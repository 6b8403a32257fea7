"""The beginning of a file, and nothing of what would have to be waited for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.host.regular_files import start_of

if TYPE_CHECKING:
    from pathlib import Path


def test_only_a_regular_file_is_read_and_no_more_of_it_than_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    os.mkfifo(tmp_path / "pipe")
    assert [start_of(tmp_path / "file", most) for most in (4, 100)] == [b"0123", b"0123456789"]
    assert start_of(tmp_path / "pipe", 100) == start_of("/dev/zero", 100) == b""
    with pytest.raises(FileNotFoundError):
        start_of(tmp_path / "none", 100)
