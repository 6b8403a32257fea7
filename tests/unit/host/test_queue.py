"""Mail that waits is counted where it waits, and goes to another queue whole or stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Completed, Host
from reconciler.host.queue import is_held_up, move, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "defer", "bounce", "corrupt")


class Recorder(Host):
    """A host that only notes which programs would run."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def act(self, argv: Sequence[str], *_: object, **__: object) -> Completed:
        """Note the program."""
        self.ran.append(argv[0])
        return Completed(tuple(argv), 0, "", "")


@pytest.fixture
def queues(tmp_path: Path) -> tuple[Path, Path]:
    for side in ("old", "new"):
        for name in QUEUES:
            (tmp_path / side / name).mkdir(parents=True)
    return tmp_path / "old", tmp_path / "new"


def put(path: Path, text: str = "mail") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o700)


def test_messages_are_counted_wherever_they_wait_and_nothing_else_is(queues: tuple[Path, Path]) -> None:
    old, _ = queues
    for name in ("maildrop/A", "incoming/B", "active/C", "deferred/D/DE", "hold/E"):
        put(old / name)
    for name in ("defer/D/DE", "bounce/F", "corrupt/G"):
        put(old / name)
    (old / "incoming/link").symlink_to("/etc/passwd")
    assert waiting(old) == 5
    assert waiting(old / "nowhere") == 0


def test_messages_go_where_they_are_taken_up(queues: tuple[Path, Path]) -> None:
    old, new = queues
    host = Recorder()
    for name in ("maildrop/A", "incoming/B", "active/C", "deferred/D/DE", "hold/E"):
        put(old / name, name)
    os.utime(old / "deferred/D/DE", (4e9, 4e9))

    assert move(old, new, new, host) == 0

    assert waiting(old) == 0
    assert (new / "incoming/DE").read_text() == "deferred/D/DE"
    assert (new / "incoming/DE").stat().st_mtime < 4e9, "qmgr leaves a message of the future alone"
    assert sorted(path.name for path in (new / "incoming").iterdir()) == ["B", "C", "DE"]
    assert (new / "maildrop/A").stat().st_mode & 0o777 == 0o700
    assert (new / "hold/E").exists()
    assert host.ran == ["postkick", "postkick"]


def test_a_copy_on_another_file_system_is_named_after_its_inode(
    queues: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = queues
    put(old / "deferred/short")
    inode = (old / "deferred/short").stat().st_ino
    short = (old / "deferred/short").rename(old / f"deferred/6E70E{inode:X}")
    put(old / "deferred/3Pt2mN2VXxznjll", "long")
    monkeypatch.setattr("reconciler.host.queue._device", lambda path: old in path.parents)

    assert move(old, new, new, Recorder()) == 0

    assert not short.exists()
    names = {path.name for path in (new / "incoming").iterdir()}
    assert names == {"3Pt2mN2VXxznjll", *(name for name in names if name.startswith("6E70E"))}
    (copy,) = (new / "incoming").glob("6E70E*")
    assert copy.name == f"6E70E{copy.stat().st_ino:X}"
    assert copy.stat().st_mode & 0o777 == 0o700


def test_a_message_that_has_no_place_stays_where_it_is(queues: tuple[Path, Path]) -> None:
    old, new = queues
    host = Recorder()
    put(old / "hold/E", "ours")
    put(new / "hold/E", "another")
    put(old / "maildrop/A")
    (new / "maildrop").rmdir()

    assert move(old, new, new, host) == 2

    assert (old / "hold/E").read_text() == "ours"
    assert (new / "hold/E").read_text() == "another"
    assert host.ran == []


@pytest.mark.parametrize(
    ("path", "waits"),
    [
        ("deferred/A/A1B2C3", True), ("deferred/A1B2C3", True), ("hold/A1B2C3", True), ("active/A1B2C3", False),
        ("deferred/A/B/", False), ("", False),
    ],
)  # fmt: skip
def test_mail_is_held_up_where_a_file_is_deferred_or_on_hold(tmp_path: Path, path: str, *, waits: bool) -> None:
    file = tmp_path / path
    (file if path.endswith("/") else file.parent).mkdir(parents=True, exist_ok=True)
    if path and not path.endswith("/"):
        file.touch()
    assert is_held_up(tmp_path) is waits


def test_a_queue_that_cannot_be_looked_at_may_hold_mail(tmp_path: Path) -> None:
    (tmp_path / "hold").mkdir()
    (tmp_path / "deferred").symlink_to("deferred")
    assert is_held_up(tmp_path / "hold") is False
    assert is_held_up(tmp_path / ("x" * 300)) is True
