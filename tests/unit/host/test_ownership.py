"""What another user than root may change."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from reconciler.host.ownership import is_folder_of_others, is_of_others, rights
from tests.unit.other_users import NOBODY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("mode", "owner", "group", "others"),
    [
        (0o755, 0, 0, False),
        (0o750, 0, NOBODY, False),
        (0o775, 0, 0, False),
        (0o770, 0, NOBODY, True),
        (0o1777, 0, 0, True),
        (0o700, NOBODY, 0, True),
    ],
)
def test_whose_a_folder_is_follows_from_its_owner_and_its_mode(
    tmp_path: Path, mode: int, owner: int, group: int, *, others: bool
) -> None:
    (folder := tmp_path / "folder").mkdir()
    os.chown(folder, owner, group)
    folder.chmod(mode)

    assert (is_of_others(folder), is_folder_of_others(folder)) == (others, others)
    (tmp_path / "link").symlink_to(folder)
    assert not is_of_others(tmp_path / "link")


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An access control list in the kernel's form: entries of a tag, permissions and an id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.parametrize(("permissions", "others"), [(7, True), (5, False)])
def test_a_user_whom_an_access_control_list_lets_write_is_another(
    tmp_path: Path, permissions: int, *, others: bool
) -> None:
    (folder := tmp_path / "folder").mkdir()
    nobody, no_id = (2, permissions, NOBODY), 0xFFFFFFFF
    entries = acl((1, 7, no_id), nobody, (4, 5, no_id), (16, permissions, no_id), (32, 5, no_id))
    try:
        os.setxattr(folder, "system.posix_acl_access", entries)
    except OSError:
        pytest.skip("this file system has no access control lists")

    assert is_of_others(folder) == others


def test_rights_are_told_for_people(tmp_path: Path) -> None:
    (path := tmp_path / "x").touch(0o640)
    assert rights(path) == "root:root, mode 0640"
