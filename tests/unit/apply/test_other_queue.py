"""A queue that Postfix would not read any more must be empty, unless it is the same one by another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.apply.other_queue import mail_left_behind, take_along
from reconciler.host import instances
from reconciler.host.effects import Host
from reconciler.host.programs import postfix
from reconciler.host.programs.postfix import Instance

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    (folder / "deferred/A").mkdir(parents=True)
    (folder / "deferred/A/AB").write_text("mail")
    return folder


def instance(queue: Path) -> Instance:
    return Instance(queue.parent, {"queue_directory": str(queue)})


def test_mail_that_waits_refuses_another_queue_for_the_moment(old: Path, tmp_path: Path) -> None:
    (found,) = mail_left_behind(instance(old), instance(tmp_path / "new"), Host())
    assert (found.is_error, found.lasting, found.subject) == (True, False, "queue_directory")
    assert f"1 message waits in {old}" in found.text
    (old / "deferred/A/AB").unlink()
    assert not mail_left_behind(instance(old), instance(tmp_path / "new"), Host())


def test_the_same_queue_by_another_name_is_no_change(old: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(old)
    assert not mail_left_behind(instance(old), instance(old), Host())
    assert not mail_left_behind(instance(old), instance(tmp_path / "link"), Host())
    assert not take_along(instance(old), instance(tmp_path / "link"), Host())
    assert (old / "deferred/A/AB").exists()


@pytest.mark.parametrize("known", ["listed", "settings", "gone"])
def test_the_queue_of_another_instance_is_left_alone(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    """A main.cf that was edited by hand made the queue of another instance look like that of this one."""
    stock, other = tmp_path / "postfix", tmp_path / "postfix-out"
    queues = {stock: tmp_path / "default", other: old}
    listed = {"multi_instance_directories": f"{other}/" if known == "listed" else ""}
    for folder in queues:
        folder.mkdir()
        (folder / "main.cf").touch()
    if known == "gone":
        (other / "main.cf").unlink()
    if known != "listed":
        (tmp_path / "reconciler").mkdir()
        (tmp_path / "reconciler/out.toml").write_text(f'[postfix]\nconfig_directory = "{other}"\n')
    monkeypatch.setattr(instances, "FOLDER", tmp_path / "reconciler")
    monkeypatch.setattr(postfix, "STOCK_DIRECTORY", stock)
    monkeypatch.setattr(postfix, "live", lambda _, one: Instance(one, {"queue_directory": str(queues[one]), **listed}))
    before, after = (Instance(tmp_path / "postfix-in", {"queue_directory": str(one)}) for one in (old, tmp_path / "in"))
    assert bool(mail_left_behind(before, after, Host())) is (known == "gone")
    if known != "gone":
        assert not take_along(before, after, Host())
    assert (old / "deferred/A/AB").exists()


def test_what_can_not_be_taken_along_is_a_warning(old: Path, tmp_path: Path) -> None:
    (found,) = take_along(instance(old), instance(tmp_path / "gone"), Host())
    assert not found.is_error
    assert f"1 message waits in {old}" in found.text
    assert (old / "deferred/A/AB").exists()
