"""What Postfix has read is on record; a record of an earlier version, or a damaged one, is read as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.passes.loaded import Loaded, record, recorded
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from pathlib import Path


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    edges, loaded = Adopted.made_in(tmp_path).edges, Loaded({"/a": "1"}, {}, ("regexp:/r",))
    record(edges, loaded)
    assert recorded(edges.generations) == loaded


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ('{"loaded": {"/a": "1"}, "told": {}}', Loaded({"/a": "1"}, {})),
        ("[]", Loaded({}, {})),
        ('{"loaded": {}, "told": {}, "tables": 1}', Loaded({}, {})),
        ("", Loaded({}, {})),
    ],
)
def test_another_record_is_as_far_as_it_goes(text: str, loaded: Loaded, tmp_path: Path) -> None:
    edges = Adopted.made_in(tmp_path).edges
    (edges.generations.private / "certificates.json").write_text(text)
    assert recorded(edges.generations) == loaded
