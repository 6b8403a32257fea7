"""The requests of a panel, and why each waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.passes.pending_removals import requests, waiting, why_pending
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_waits_with_its_reason_and_other_files_are_none(tmp_path: Path) -> None:
    edges = Adopted.made_in(tmp_path, state=tmp_path / "state").edges
    assert waiting(edges) == []
    folder = why_pending("site12", edges).parent
    folder.mkdir()
    for name in ("site12-1-2", "site12-3-4", "site9-1-2", "site012-1-2", "site7", "notes.txt"):
        (folder / name).touch()
    why_pending("site12", edges).write_text("the repository is busy")

    assert requests(edges) == {
        "site12": [folder / "site12-1-2", folder / "site12-3-4"],
        "site9": [folder / "site9-1-2"],
    }
    assert waiting(edges) == [
        "the removal of site12 is pending: the repository is busy",
        "the removal of site9 is pending",
    ]
