"""The check at a start of Postfix is left out only where it would find nothing to do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.host.effects import Host
from reconciler.host.programs.quick_start import NAME, quick_start

FOLDERS = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private",
    "public", "saved", "trace",
]  # fmt: skip


@pytest.fixture
def values(tmp_path: Path) -> dict[str, str]:
    """What a whole installation has, whose folders are there."""
    for name in FOLDERS:
        (tmp_path / "queue" / name).mkdir(parents=True)
    (tmp_path / "data").mkdir()
    return {"queue_directory": f"{tmp_path}/queue", "data_directory": f"{tmp_path}/data", "hash_queue_depth": "1"}


def file_of(values: dict[str, str]) -> Path:
    return Path(values["queue_directory"], NAME)


def test_the_script_finds_the_file_while_it_starts(values: dict[str, str]) -> None:
    with quick_start(Host(), values, values):
        file = file_of(values)
        assert file.exists()
        file.unlink()  # as Postfix's script does
    assert sorted(path.name for path in file_of(values).parent.iterdir()) == FOLDERS


def test_a_start_that_fails_leaves_nothing_to_a_later_one(values: dict[str, str]) -> None:
    with suppress(RuntimeError), quick_start(Host(), values, values):
        raise RuntimeError("the unit does not start")
    assert not file_of(values).exists()


def test_a_start_after_which_nothing_is_known_is_whole(values: dict[str, str]) -> None:
    with quick_start(Host(), None, values):
        assert not file_of(values).exists()


@pytest.mark.parametrize("folder", [*(f"queue/{name}" for name in FOLDERS), "data"])
def test_a_folder_that_is_missing_is_made_by_a_whole_start(values: dict[str, str], folder: str) -> None:
    (file_of(values).parents[1] / folder).rmdir()
    with quick_start(Host(), values, values):
        assert not file_of(values).exists()


@pytest.mark.parametrize(
    "name", ["queue_directory", "data_directory", "mail_owner", "hash_queue_names", "hash_queue_depth"]
)
def test_another_place_owner_or_order_of_the_queue_needs_a_whole_start(values: dict[str, str], name: str) -> None:
    before = {**values, name: "another"}
    with quick_start(Host(), before, values):
        assert not file_of(values).exists()
