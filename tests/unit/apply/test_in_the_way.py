"""What has the place of a deployed file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.apply.in_the_way import in_the_way
from reconciler.model import Contribution, DeployedFile, File, Table
from reconciler.state.source import Source, SourceKind
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.apply.edges import Edges

PATH = "sasl/smtpd.conf"
ORIGIN = Contribution(files={PATH: DeployedFile(path=PATH, content=b"", source=f"files/{PATH}")})


def found(tmp_path: Path, prepare: Callable[[Path], object]) -> list[str]:
    edges = Adopted.made_in(tmp_path).edges
    prepare(edges.settings.config_directory)
    told = list(in_the_way(ORIGIN, edges))
    assert all((one.is_error, one.lasting, one.where.file) == (True, False, f"files/{PATH}") for one in told)
    return [one.text for one in told]


def pipe(folder: Path) -> None:
    (folder / "sasl").mkdir()
    os.mkfifo(folder / PATH)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: (folder / "sasl").symlink_to("/tmp"), "is a link to /tmp"),
        (lambda folder: (folder / "sasl").write_text(""), "sasl is a file"),
        (lambda folder: (folder / PATH).mkdir(parents=True), "smtpd.conf is a folder"),
        (pipe, "a device, a socket or a pipe"),
        (lambda folder: ((folder / "sasl").mkdir(), (folder / PATH).symlink_to("nowhere")), "a link to nowhere"),
        (lambda folder: (folder / "sasl").mkdir() or (folder / "sasl").chmod(0o777), "another user may change"),
    ],
)
def test_a_place_that_is_taken_is_told(tmp_path: Path, prepare: Callable[[Path], object], words: str) -> None:
    (text,) = found(tmp_path, prepare)

    assert words in text


@pytest.mark.parametrize(
    "prepare",
    [
        lambda _: None,
        lambda folder: (folder / "sasl").mkdir(),
        lambda folder: ((folder / "sasl").mkdir(), (folder / PATH).write_text("the host's own")),
    ],
)
def test_a_place_that_is_free_or_has_a_file_of_roots_is_none(tmp_path: Path, prepare: Callable[[Path], object]) -> None:
    assert found(tmp_path, prepare) == []


@pytest.mark.parametrize("name", ["people", "people.lmdb"])
def test_a_folder_in_the_place_of_a_table_is_told(tmp_path: Path, name: str) -> None:
    edges = Adopted.made_in(tmp_path).edges
    table = Table(name="people", type="lmdb", source=b"a b\n", file="tables/people", compiler="postmap")
    assert list(in_the_way(Contribution(tables={"people": table}), edges)) == []
    (edges.settings.config_directory / name).mkdir()
    assert list(in_the_way(Contribution(tables={"people": table}), edges)) == [], "an empty one has nothing to lose"
    (edges.settings.config_directory / name / "theirs").write_text("")

    (told,) = in_the_way(Contribution(tables={"people": table}), edges)

    assert told.where.file == "tables/people"
    assert told.text.startswith(f"table people can't become {edges.settings.config_directory / name}: ")


def test_a_folder_of_ours_becomes_a_file_if_nothing_foreign_is_in_it(tmp_path: Path) -> None:
    edges = Adopted.made_in(tmp_path).edges
    own_files(edges, PATH)
    origin = Contribution(files={"sasl": DeployedFile(path="sasl", content=b"", source="files/sasl")})
    assert list(in_the_way(origin, edges)) == []
    (edges.settings.config_directory / "sasl/theirs").write_text("")

    (told,) = in_the_way(origin, edges)

    assert told.where.file == "files/sasl"
    assert "and theirs in it is not reconciler's" in told.text


def own_files(edges: Edges, *paths: str) -> None:
    """Have the live generation own some files more."""
    generations = edges.generations
    target = {**generations.read(), **{path: File.of(b"") for path in paths}}
    stage = generations.stage(target, "more", 0)
    generations.switch(generations.place(stage, target, "", Source(SourceKind.ADOPTED)))
