"""What deploy/ knows of a host: whether the link at the configuration directory is reconciler's own."""

from __future__ import annotations

import subprocess
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
