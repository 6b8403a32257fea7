"""The names of instances, and the places that follow from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.host import instances
from reconciler.host.settings import Settings, defaults, read_settings, settings_file
from reconciler.model.errors import BadSettings

FILE = Path("/etc/reconciler/out.toml")


@pytest.mark.parametrize(
    ("name", "file"),
    [("", "/etc/reconciler.toml"), ("-", "/etc/reconciler.toml"), ("out", str(FILE)), ("postfix-out", str(FILE))],
)
def test_an_instance_has_settings_of_its_name(name: str, file: str) -> None:
    assert instances.file_of(name) == Path(file)


@pytest.mark.parametrize("name", ["../out", "a.b", "postfix-", "out/x", "-x", "a b", "x" * 60, "out\n"])
def test_what_can_be_no_part_of_a_path_is_no_name(name: str) -> None:
    with pytest.raises(BadSettings, match="is no name of an instance"):
        instances.file_of(name)


@pytest.mark.parametrize(
    "file", ["/etc/reconciler.toml", "/etc/reconciler/x/out.toml", "/etc/reconciler/out", "/x.toml"]
)
def test_other_files_are_those_of_no_instance(file: str) -> None:
    assert instances.name_of(Path(file)) == ""


def test_two_instances_share_the_repository_and_the_identity_alone() -> None:
    default, out = Settings(), defaults(FILE)
    same = {name for name in Settings.__slots__ if getattr(default, name) == getattr(out, name)}
    places = {"state", "backup", "config_directory", "socket"}
    assert not same & {"instance", "branch", *places}
    assert {"repository", "identity"} <= same
    for name in places:
        one, other = getattr(default, name), getattr(out, name)
        assert not other.is_relative_to(one.parent if name == "socket" else one), "a whole folder may be removed"


def test_the_file_of_an_instance_has_its_own_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "FOLDER", tmp_path)
    (tmp_path / "out.toml").write_text('[repository]\nbranch = "main"\n')
    read = read_settings(tmp_path / "out.toml")
    assert (read.branch, read.instance, read.config_directory) == ("main", "out", Path("/etc/postfix-out"))
    monkeypatch.setenv("RECONCILER_INSTANCE", "out")
    assert read_settings() == read
    monkeypatch.setenv("RECONCILER_SETTINGS", "/elsewhere")
    assert settings_file() == Path("/elsewhere")
    assert instances.installed() == ["out"]
    with pytest.raises(BadSettings, match=r"outt\.toml: no such file; did you mean out\?"):
        read_settings(tmp_path / "outt.toml")
