"""What the main.cf files of a host say about its instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.host import instances
from reconciler.host.other_instances import is_listed, others, reserved
from reconciler.host.programs.postfix import is_same
from reconciler.model import OtherInstance
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like /etc, with the default instance in postfix/."""
    monkeypatch.setattr(instances, "FOLDER", tmp_path / "reconciler")
    (tmp_path / "reconciler").mkdir()
    configure(tmp_path / "postfix", f"multi_instance_directories = {tmp_path}/postfix-out,{tmp_path}/postfix-gone\n")
    configure(
        tmp_path / "postfix-out",
        "multi_instance_name = postfix-out\nmulti_instance_enable = Yes\n"
        "queue_directory = /q/$multi_instance_name\ndata_directory = $queue_directory/data\n",
    )
    return tmp_path


def configure(directory: Path, main: str) -> None:
    """Make a configuration directory."""
    directory.mkdir()
    (directory / "main.cf").write_text(main)


def defaults(etc: Path) -> Mapping[str, str]:
    """The defaults of a Postfix whose default instance is there."""
    return {**HOST.parameters, "config_directory": str(etc / "postfix")}


def test_the_default_instance_lists_the_others(etc: Path) -> None:
    known = OtherInstance(
        str(etc / "postfix-out"), "postfix-out", "/q/postfix-out", "/q/postfix-out/data", "postfix-out"
    )
    assert others(etc / "postfix", defaults(etc)) == (known,)
    (default,) = others(etc / "postfix-out", defaults(etc))
    assert (default.directory, default.tag, default.listed) == (str(etc / "postfix"), "postfix", True)


def test_what_has_settings_is_known_although_it_is_not_listed(etc: Path) -> None:
    configure(etc / "postfix-in", "")
    (etc / "reconciler/in.toml").write_text(f'[postfix]\nconfig_directory = "{etc}/postfix-in"\n')
    (etc / "reconciler/broken.toml").write_text("[")
    known = {one.directory: one.listed for one in others(etc / "postfix", defaults(etc))}
    assert known == {f"{etc}/postfix-out": True, f"{etc}/postfix-in": False}
    assert {"/var/lib/reconciler/private", "/var/lib/reconciler-in/private"} <= set(reserved())
    assert not is_listed(etc / "postfix-in", defaults(etc))
    assert is_listed(etc / "postfix-out", defaults(etc))
    assert is_listed(etc / "postfix", defaults(etc))


def test_an_adopted_directory_is_still_the_same_one(etc: Path) -> None:
    (etc / "postfix-out").rename(etc / "generation")
    (etc / "postfix-out").symlink_to(etc / "generation")
    assert is_same(etc / "generation", etc / "postfix-out")
    assert [one.directory for one in others(etc / "generation", defaults(etc))] == [str(etc / "postfix")]


@pytest.mark.parametrize("listed", ["{etc}/postfix-out/", "{etc}//postfix-out {etc}/postfix-out/", "{etc}/by-link"])
def test_a_directory_is_known_by_any_of_its_names(etc: Path, listed: str) -> None:
    (etc / "by-link").symlink_to(etc / "postfix-out")
    (etc / "postfix/main.cf").write_text(f"multi_instance_directories = {listed.format(etc=etc)}\n")
    (etc / "reconciler/out.toml").write_text(f'[postfix]\nconfig_directory = "{etc}/postfix-out/"\n')
    (other,) = others(etc / "postfix", defaults(etc))
    assert (other.name, other.listed) == ("postfix-out", True)
    assert is_listed(etc / "postfix-out", defaults(etc))


@pytest.mark.parametrize("main", ["multi_instance_directories = ${x\n", "=\n\0"])
def test_a_broken_file_describes_nothing(etc: Path, main: str) -> None:
    (etc / "postfix/main.cf").write_text(main)
    assert others(etc / "postfix", defaults(etc)) == ()
