"""What a file system says about its room."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from reconciler.host.disk import LEAST, LEAST_INODES, trouble

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Room:
    """What statvfs(3) returns."""

    f_flag: int = 0
    f_frsize: int = 4096
    f_bfree: int = 10_000
    f_files: int = 1000
    f_ffree: int = LEAST_INODES


WELL = Room()


@pytest.mark.parametrize(
    ("room", "told"),
    [
        (WELL, ""),
        (replace(WELL, f_bfree=LEAST // 4096), ""),
        (replace(WELL, f_bfree=LEAST // 4096 - 1), "no space left"),
        (replace(WELL, f_ffree=LEAST_INODES - 1), "no inodes left"),
        (replace(WELL, f_files=0, f_ffree=0), ""),  # btrfs counts none
        (replace(WELL, f_flag=os.ST_RDONLY | os.ST_NOSUID), "read-only file system"),
    ],
)
def test_a_file_system_says_why_nothing_can_be_written(
    room: Room, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: room)

    assert told in trouble(tmp_path)
    assert bool(told) == bool(trouble(tmp_path))


def test_a_folder_that_is_not_there_is_no_trouble_of_the_disk(tmp_path: Path) -> None:
    assert not trouble(tmp_path / "gone")
