"""What is below a folder is read once for each content of it, and told as if it were read each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.model import limits
from reconciler.model.errors import InvalidSource
from reconciler.model.past import forget_oldest
from reconciler.repository import objects
from tests.unit.repositories import bare, commit

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.repository.repo import Repository

SITES = {f"sites/site{number}/{file}": f"{number}" for number in range(1, 30) for file in ("site.yaml", "tables/a")}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    forget()
    return bare(tmp_path / "r.git")


def forget() -> None:
    """Forget all folders."""
    while forget_oldest():
        continue


def read(repository: Repository, files: dict[str, str]) -> dict[str, tuple[str, int]]:
    """Commit these files; what is read of them, the same with memory and without."""
    revision = repository.revision(commit(repository.path, files))
    known = {path: (file.digest, file.mode) for path, file in repository.read(revision).items()}
    forget()
    again = repository.read(revision)
    assert {path: (file.digest, file.mode) for path, file in again.items()} == known
    assert {path: file.read().decode() for path, file in again.items()} == files
    assert list(known) == sorted(files)
    repository.read(revision)
    return known


@pytest.mark.parametrize("change", [
    {"sites/site99/site.yaml": "new"}, {"sites/site3/site.yaml": "other"}, {"sites/site3/tables/b": "4"}, {"x/y/z": ""}
])  # fmt: skip
def test_a_commit_is_read_as_if_no_commit_had_been_read_before(repository: Repository, change: dict[str, str]) -> None:
    before = read(repository, SITES)
    assert read(repository, {**SITES, **change}) != before
    assert read(repository, SITES) == before
    fewer = {path: text for path, text in SITES.items() if not path.startswith("sites/site7/")}
    assert read(repository, fewer).keys() == fewer.keys()


def test_of_many_folders_only_those_that_differ_are_read(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees: list[str] = []
    rows = objects.rows

    def told(handle: objects.Handle, oid: str) -> list[bytes]:
        trees.append(oid)
        return rows(handle, oid)

    monkeypatch.setattr(objects, "rows", told)
    repository.read(repository.revision(commit(repository.path, SITES)))
    trees.clear()
    repository.read(repository.revision(commit(repository.path, {**SITES, "sites/site3/site.yaml": "other"})))
    assert len(trees) == 4, "the commit's own, sites/, sites/site3/ and its tables/"


def test_the_same_folder_counts_at_each_of_its_places(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{folder}/{path}": "" for folder in "abcd" for path in ("x", "y/z")}
    assert read(repository, files).keys() == files.keys()
    monkeypatch.setattr(limits, "ENTRIES", 15)
    with pytest.raises(InvalidSource, match="more than 15 files and folders"):
        read(repository, files)


def test_a_folder_is_not_taken_from_memory_where_its_paths_are_too_long(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(repository, {"a/x": "", "a/y/long-name": ""})
    monkeypatch.setattr(limits, "PATH", 20)
    with pytest.raises(InvalidSource, match="is not a plain path name"):
        read(repository, {"deep-folder/a/x": "", "deep-folder/a/y/long-name": ""})


def test_what_is_wrong_in_a_folder_is_told_each_time(repository: Repository) -> None:
    revision = repository.revision(commit(repository.path, {"a/\\x": "", "a/good": ""}))
    for _ in range(2):
        with pytest.raises(InvalidSource, match="is not a plain path name"):
            repository.read(revision)


def test_what_is_left_out_is_left_out_of_a_folder_in_memory_as_well(repository: Repository) -> None:
    revision = repository.revision(commit(repository.path, SITES))
    assert repository.read(revision).keys() == SITES.keys()
    left = repository.read(revision, lambda path: path.endswith("tables"))
    assert left.keys() == {path for path in SITES if "tables" not in path}
    assert repository.read(revision).keys() == SITES.keys()
