"""What deploy/ knows of a host: whether the link at the configuration directory is reconciler's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLACES = Path(__file__).parents[2] / "deploy/places.bash"
ASK = 'source "$0"; setting() { [ "$1" = state ] && echo "$here/state" || echo "$here/postfix"; }; here=$1; adopted'


@pytest.mark.parametrize(("target", "ours"), [("state/live/postfix", True), ("elsewhere", False), (None, False)])
def test_only_our_own_link_counts_as_adopted(tmp_path: Path, target: str | None, ours: bool) -> None:
    if target:
        (tmp_path / "postfix").symlink_to(tmp_path / target)
    else:
        (tmp_path / "postfix").mkdir()

    asked = subprocess.run(["bash", "-c", ASK, PLACES, tmp_path], check=False)

    assert (asked.returncode == 0) is ours


def test_the_settings_are_kept_to_the_last_sign(tmp_path: Path) -> None:
    found = "url=https://h/x?key=\npush=\nbackup=/a b/c\n"
    script = f"source \"$0\"; settings_by_name() {{ printf '{found}'; }}; read_settings"
    script += "; settings_by_name() { false; }; for one in url push backup; do setting $one; done"

    asked = subprocess.run(["bash", "-euc", script, PLACES], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert asked.stdout == "https://h/x?key=\n\n/a b/c\n"


def test_the_folders_of_links_are_words(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text('files.folders = ["/etc/policyd", "/opt/lists"]\n')
    script = 'source "$0"; settings=$1/settings python=$2; setting folders'

    asked = subprocess.run(
        ["bash", "-euc", script, PLACES, tmp_path, sys.executable], capture_output=True, text=True, check=True
    )

    assert asked.stdout == "/etc/policyd /opt/lists\n"
