"""What deploy/ knows of instances: whether a list of configuration directories has one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

INSTANCE = Path(__file__).parents[2] / "deploy/instance.bash"


@pytest.mark.parametrize(
    ("listed", "is_there"),
    [
        ("", False),
        ("{etc}/postfix-in", False),
        ("{etc}/postfix-output", False),
        ("{etc}/postfix-out", True),
        ("{etc}/postfix-out/", True),
        ("{etc}/postfix-in/, {etc}/postfix-out//", True),
        ("{etc}/postfix-in,{etc}/../{etc.name}/postfix-out", True),
        ("{etc}/by-link", True),
    ],
)
def test_an_instance_is_listed_by_any_name_of_its_directory(tmp_path: Path, listed: str, *, is_there: bool) -> None:
    for name in ("postfix-in", "postfix-output", "generation"):
        (tmp_path / name).mkdir()
    for name in ("postfix-out", "by-link"):
        (tmp_path / name).symlink_to("generation")
    script = 'set -euo pipefail; source "$0"; is_listed "$1" "$2"'
    argv = ("bash", "-c", script, INSTANCE, tmp_path / "postfix-out", listed.format(etc=tmp_path))
    asked = subprocess.run(argv, capture_output=True, check=False)
    assert (asked.returncode, asked.stderr) == (0 if is_there else 1, b"")
