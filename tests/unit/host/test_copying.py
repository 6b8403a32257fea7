"""Copies by descriptor: what they keep, and that a user who replaces names meanwhile can't misdirect them."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.host.copying import DEPTH, copy, copy_whole
from tests.unit.other_users import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 500
# Replaces a file by a link, and a folder by a link, as fast as it can.
FLIPPING = """
import os, sys
folder, victim = sys.argv[1:]
os.chdir(folder)
os.setgid(65534)
os.setuid(65534)
print("ready", flush=True)
while True:
    for real, to in (("x", victim), ("inner", os.path.dirname(victim))):
        os.rename(real, real + ".real")
        os.symlink(to, real)
        os.unlink(real)
        os.rename(real + ".real", real)
"""


@pytest.fixture
def owned(open_folder: Path) -> Iterator[Path]:
    """A folder of another user who keeps replacing what is in it by links to a victim's."""
    assert os.geteuid() == 0, "needs root, to act beside another user"
    folder, victim = open_folder / "owned", open_folder / "private" / "victim"
    (folder / "inner").mkdir(parents=True)
    victim.parent.mkdir()
    victim.write_text("secret")
    victim.chmod(0o600)
    for name in ("x", "inner/victim"):
        (folder / name).write_text("harmless")
    for path in (folder, folder / "x", folder / "inner", folder / "inner/victim"):
        os.chown(path, NOBODY, NOBODY)
    argv = (sys.executable, "-c", FLIPPING, str(folder), str(victim))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield folder
        process.kill()


def test_owner_mode_times_attributes_and_bytes_are_kept(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(bytes(range(256)) * 999)
    os.chown(old, NOBODY, NOBODY)
    old.chmod(0o4751)
    os.utime(old, (1, 2))

    copy(old, new)

    status = new.stat()
    assert new.read_bytes() == old.read_bytes()
    assert (status.st_uid, status.st_gid, status.st_mode, status.st_mtime) == (NOBODY, NOBODY, old.stat().st_mode, 2)


@pytest.mark.parametrize("size", [0, 1, 4096, 3 << 20])
def test_files_of_any_size_are_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "old").write_bytes(b"x" * size)
    copy(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == b"x" * size


def test_links_and_special_files_are_neither_followed_nor_opened(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    os.mknod(tmp_path / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))

    for name in ("link", "pipe", "socket", "device"):
        copy(tmp_path / name, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    (tmp_path / "new").symlink_to(tmp_path / "victim")
    (tmp_path / "old").write_text("new")
    with pytest.raises(OSError, match="symbolic links"):
        copy(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "victim").read_text() == "secret"


def test_a_folder_is_copied_down_to_a_depth(tmp_path: Path) -> None:
    deep = tmp_path / "old" / "/".join(["d"] * (DEPTH + 5))
    deep.mkdir(parents=True)
    copy_whole(tmp_path / "old", tmp_path / "new")
    assert sum(1 for _ in os.walk(tmp_path / "new")) == DEPTH + 1


def test_a_user_who_replaces_names_meanwhile_gets_nothing(owned: Path, tmp_path: Path) -> None:
    victim = owned.parent / "private" / "victim"
    for number in range(ROUNDS):
        target = tmp_path / str(number)
        target.mkdir()
        for act, source, to in ((copy, owned / "x", target / "x"), (copy_whole, owned, target / "whole")):
            try:
                act(source, to)
            except OSError as error:
                assert error.filename, error  # noqa: PT017 - it was gone or a link at that moment
        copies = [Path(folder, name) for folder, _, names in os.walk(target) for name in names]
        assert {path.read_text() for path in copies if not path.is_symlink()} <= {"harmless"}
        assert (victim.stat().st_uid, victim.stat().st_mode & 0o7777, victim.read_text()) == (0, 0o600, "secret")
        assert [one.name for one in victim.parent.iterdir()] == ["victim"]


@pytest.mark.parametrize("able", [True, False])
def test_where_the_file_system_can_share_blocks_no_byte_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    sent: list[int] = []
    sendfile = os.sendfile

    def ioctl(new: int, request: int, old: int) -> None:
        assert request == 0x40049409  # FICLONE in linux/fs.h
        if not able:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        os.write(new, os.pread(old, 100, 0))

    def counted(new: int, old: int, offset: int, count: int) -> int:
        sent.append(count)
        return sendfile(new, old, offset, count)

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    monkeypatch.setattr(os, "sendfile", counted)
    (tmp_path / "old").write_bytes(b"a map")
    (tmp_path / "old").chmod(0o640)
    copy(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == b"a map"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert bool(sent) is not able
