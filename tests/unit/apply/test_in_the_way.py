"""What has the place of a deployed file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.apply.in_the_way import in_the_way
from reconciler.host.ownership import is_of_others
from reconciler.model import Contribution, DeployedFile, File, Table, Where
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


# ---- links outside of Postfix's folder -------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for links, as if all above it were root's alone."""
    monkeypatch.setattr(
        "reconciler.apply.in_the_way.is_of_others", lambda path: path.is_relative_to(tmp_path) and is_of_others(path)
    )
    folder = tmp_path / "policyd"
    folder.mkdir()
    return folder


def of_link(tmp_path: Path, link: Path) -> list[str]:
    edges = Adopted.made_in(tmp_path / "host").edges
    place = Where("mail.yaml", 5)
    made = DeployedFile(path="rules", content=b"", source="files/rules", link=str(link), link_where=place)
    told = list(in_the_way(Contribution(files={"rules": made}), edges))
    assert all((one.is_error, one.lasting, one.where) == (True, False, place) for one in told)
    return [one.text for one in told]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: folder.rmdir(), "policyd is missing; make it as root"),
        (lambda folder: folder.rmdir() or folder.symlink_to("/tmp"), "policyd is a link to /tmp"),
        (lambda folder: folder.rmdir() or folder.write_text(""), "policyd is a file"),
        (lambda folder: folder.chmod(0o777), "another user may change"),
        (lambda folder: folder.parent.chmod(0o777), "must be root's alone"),
        (lambda folder: (folder / "rules").mkdir(), "rules is no file; move that away"),
        (lambda folder: os.mkfifo(folder / "rules"), "rules is no file"),
        (
            lambda folder: (folder / "rules").symlink_to("/var/lib/reconciler-out/live/postfix/rules"),
            "another instance",
        ),
    ],
)
def test_a_place_that_a_link_can_not_have_is_told(
    tmp_path: Path, outside: Path, prepare: Callable[[Path], object], words: str
) -> None:
    prepare(outside)

    (text,) = of_link(tmp_path, outside / "rules")

    assert text.startswith(f"files/rules can't have the link {outside}/rules: ")
    assert words in text


@pytest.mark.parametrize(
    "prepare",
    [
        lambda _: None,
        lambda folder: (folder / "rules").write_text("the host's own"),
        lambda folder: (folder / "rules").symlink_to("/etc/letsencrypt/live/x/rules"),
    ],
)
def test_a_link_may_take_the_place_of_a_file_or_of_a_link(
    tmp_path: Path, outside: Path, prepare: Callable[[Path], object]
) -> None:
    prepare(outside)

    assert of_link(tmp_path, outside / "rules") == []


def test_a_folder_where_the_daemon_can_not_write_is_told_with_the_way_out(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.apply.in_the_way.os.access", lambda *_: False)

    (text,) = of_link(tmp_path, outside / "rules")

    assert "run `deploy/install` again" in text
