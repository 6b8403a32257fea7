"""What ``reconciler status`` tells of the last pass; tests/e2e has the rest, which needs a host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.host.effects import Host
from reconciler.passes.status import shown
from reconciler.state.journal import Journal

RECORDED = Path(__file__).parents[2] / "transcripts" / "state"


def moments() -> list[dict[str, Any]]:
    """Return what 3ae6ec3 told at several moments of a host, each when its journal had that many *lines*."""
    return [json.loads(line) for line in (RECORDED / "status.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("moment", moments(), ids=lambda moment: f"{moment['lines']} lines")
def test_the_last_pass_is_told_as_the_version_with_one_folder_told_it(tmp_path: Path, moment: dict[str, Any]) -> None:
    journal = Journal(tmp_path, Host())
    lines = (RECORDED / "journal.jsonl").read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines[: moment["lines"]]))

    last = journal.last()

    assert last
    assert json.dumps(shown(last)) == json.dumps(moment["last"])
