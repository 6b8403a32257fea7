"""What the kernel lists as mount points, and what that protects."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.host import effects, mounts
from reconciler.host.effects import Host
from reconciler.host.mounts import mount_points, mounts_in

LIST = (
    b"22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    b"30 28 8:1 /a /etc/post\\040fix/sasl rw - ext4 /dev/sda1 rw\n"
    b"31 28 8:1 /b /etc/postfix2 rw - ext4 /dev/sda1 rw\n"
    b"31 28 8:1 /b /etc/postfix2 ro - ext4 /dev/sda1 rw\n"
    b"32 28 8:1 /c /odd\\134name\xff rw - ext4 /dev/sda1 rw\n"
)


def test_the_kernels_escapes_and_odd_bytes_are_read_and_each_point_comes_once() -> None:
    assert mount_points(LIST) == [
        Path("/sys"),
        Path("/etc/post fix/sasl"),
        Path("/etc/postfix2"),
        Path("/odd\\name\udcff"),
    ]


def test_a_folder_of_a_longer_name_is_not_in_it_and_links_above_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    listed = "".join(f"1 2 0:1 / {tmp_path}/real/{name} rw - t d rw\n" for name in ("conf/x", "conf", "conf2"))
    monkeypatch.setattr(mounts, "_MOUNTINFO", tmp_path / "list")
    (tmp_path / "list").write_text(listed)

    assert mounts_in(tmp_path / "link" / "conf") == [tmp_path / "real/conf/x", tmp_path / "real/conf"]
    assert mounts_in(tmp_path / "link" / "other") == []


def test_a_folder_with_a_mount_point_in_it_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old/inside").mkdir(parents=True)
    (tmp_path / "old/inside/theirs").touch()
    monkeypatch.setattr(effects, "mounts_in", lambda _: [tmp_path / "old/inside"])

    with pytest.raises(OSError, match="is a mount point"):
        Host().remove(tmp_path / "old")

    assert (tmp_path / "old/inside/theirs").exists()
