"""What users may do with files, asked as these users."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from reconciler.host import accesses
from reconciler.model import Access, AccessKind, Space

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = "nobody:"


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that every user reaches and root alone changes."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    return tmp_path


def answer(path: Path | str, kind: AccessKind, user: str = NOBODY) -> str | None:
    use = Access(str(path), user, kind)
    return accesses.ask([use])[use]


def test_the_kernel_answers_as_the_user(open_folder: Path) -> None:
    text, closed, drop = open_folder / "text", open_folder / "closed", open_folder / "drop"
    text.write_text("x")
    text.chmod(0o644)
    closed.mkdir(mode=0o700)
    (closed / "inner").write_text("x")
    drop.mkdir()
    drop.chmod(0o1777)
    assert answer(text, AccessKind.READ) == ""
    assert answer(text, AccessKind.WRITE) == "permission denied"
    assert answer(text, AccessKind.RUN) == "permission denied"
    assert answer(open_folder, AccessKind.RUN) == "not a program"
    assert answer(closed / "inner", AccessKind.READ) == "permission denied"
    assert answer(open_folder / "nosuch", AccessKind.READ) == "no such file or directory"
    assert answer("/bin/sh", AccessKind.RUN) == ""
    assert answer("/dev/null", AccessKind.APPEND) == ""
    assert answer(drop / "new", AccessKind.APPEND) == ""
    assert answer(open_folder / "new", AccessKind.APPEND) == "permission denied"
    assert answer(open_folder / "nosuch/new", AccessKind.APPEND) == "no such file or directory"
    assert answer(drop, AccessKind.APPEND) == "is a directory"
    assert answer("a\0b", AccessKind.READ) is None
    # As root all of it works, and this thread is still root's.
    assert answer(closed / "inner", AccessKind.READ, "root:") == ""
    assert os.access(closed, os.R_OK, effective_ids=True)


def test_a_folder_of_mail_is_made_with_those_above_it(open_folder: Path) -> None:
    drop, ready = open_folder / "drop", open_folder / "ready"
    drop.mkdir()
    drop.chmod(0o1777)
    for name in ("new", "cur", "tmp"):
        (ready / name).mkdir(parents=True)
    assert answer(f"{drop}/example.com/ada/", AccessKind.MAKE) == ""
    assert answer(f"{drop}/", AccessKind.MAKE) == ""
    assert answer(f"{open_folder}/example.com/ada/", AccessKind.MAKE) == "permission denied"
    assert answer(f"{ready}/", AccessKind.MAKE) == "permission denied"
    for name in ("new", "tmp"):
        (ready / name).chmod(0o1777)
    assert answer(f"{ready}/", AccessKind.MAKE) == ""
    (drop / "file").write_text("x")
    assert answer(f"{drop}/file/ada/", AccessKind.MAKE) == "not a directory"
    (open_folder / "closed").mkdir(mode=0o700)
    assert answer(f"{open_folder}/closed/a/b/", AccessKind.MAKE) == "permission denied"
    assert answer("/proc/1/nosuch/", AccessKind.MAKE) == "operation not permitted"


@pytest.mark.parametrize(
    ("mounting", "expected"),
    [
        ("mount --bind {0} {0} && mount -o remount,bind,ro {0}", ["", "", "permission denied"]),  # as our own unit
        ("mount -t tmpfs -o ro none {0}", ["read-only file system", "read-only file system", None]),
    ],
)
def test_a_mount_that_is_read_only_for_us_alone_is_no_obstacle(
    open_folder: Path, mounting: str, expected: list[str | None]
) -> None:
    place = open_folder / "mail"
    place.mkdir()
    place.chmod(0o1777)
    (place / "closed").mkdir(mode=0o755)
    asking = (
        "import sys; from reconciler.host import accesses; from reconciler.model import Access, AccessKind\n"
        "place = sys.argv[1]\n"
        "uses = [Access(f'{place}/new', 'nobody:', AccessKind.APPEND), Access(f'{place}/a/b/', '65534:65534',"
        " AccessKind.MAKE), Access(f'{place}/closed/x', 'nobody:', AccessKind.APPEND)]\n"
        "print(*accesses.ask(uses).values(), sep='|', end='')\n"
    )
    command = f'{mounting.format(place)} && exec {sys.executable} -c "$0" {place}'
    done = subprocess.run(["unshare", "-m", "sh", "-c", command, asking], capture_output=True, text=True, check=True)
    answers = done.stdout.split("|")
    assert [one if wanted is not None else None for one, wanted in zip(answers, expected, strict=True)] == expected


def test_groups_count_as_they_do_for_the_program(open_folder: Path) -> None:
    """A daemon has all groups of mail_owner, a delivery those of the row alone."""
    shared = open_folder / "shared"
    shared.write_text("x")
    shared.chmod(0o640)
    os.chown(shared, 0, 8)
    assert answer(shared, AccessKind.READ, "65534:8") == ""
    assert answer(shared, AccessKind.READ, "nobody:mail") == ""
    assert answer(shared, AccessKind.READ, "65534:9") == "permission denied"
    assert answer(shared, AccessKind.READ, "nobody") == "permission denied"
    assert answer(shared, AccessKind.READ, "nosuchuser") is None
    assert answer(shared, AccessKind.READ, f"{2**40}:8") is None


def test_a_daemon_has_all_groups_of_its_user(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = open_folder / "shared"
    shared.write_text("x")
    shared.chmod(0o640)
    os.chown(shared, 0, 8)
    monkeypatch.setattr(os, "getgrouplist", lambda _, gid: [gid, 8])
    assert answer(shared, AccessKind.READ, "nobody") == ""
    assert answer(shared, AccessKind.READ, "nobody:") == "permission denied"


def test_a_socket_needs_a_writer(open_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(open_folder / "s"))
        (open_folder / "s").chmod(0o755)
        assert answer(open_folder / "s", AccessKind.WRITE) == "permission denied"
        (open_folder / "s").chmod(0o777)
        assert answer(open_folder / "s", AccessKind.WRITE) == ""


def test_others_than_root_do_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert answer(tmp_path, AccessKind.READ) is None


def test_what_hangs_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    end = threading.Event()

    def hang(_: str) -> str:
        end.wait(60)
        return ""

    monkeypatch.setitem(accesses.KINDS, AccessKind.READ, hang)
    try:
        assert answer(tmp_path, AccessKind.READ, "root:") is None
    finally:
        end.set()


def test_free_space_is_what_others_than_root_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(os.statvfs(tmp_path))
    found[1:5] = [4096, 2**30, 2**19, 2**18]  # f_frsize, f_blocks, f_bfree, f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(found))
    enough, too_much = Space(str(tmp_path), 2**30 - 1), Space(str(tmp_path), 2**30)
    assert accesses.measure([enough, too_much]) == {enough: "", too_much: "only 1,024 MiB are free"}


def test_the_space_of_a_folder_that_is_missing_is_unknown(tmp_path: Path) -> None:
    unknown = [Space(f"{tmp_path}/nosuch", 1), Space("a\0b", 1)]
    assert accesses.measure(unknown) == dict.fromkeys(unknown)
