"""Manifests: unreadable ones, and today's secrets in an older tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.host.effects import Host
from reconciler.model import BESIDE, File, Tree
from reconciler.state.generations import Generations
from reconciler.state.manifest import (
    NAME,
    UNREADABLE,
    FileRecord,
    Generation,
    folders_of,
    intact,
    read_manifest,
    with_todays_secrets,
    written,
)
from reconciler.state.source import Source, SourceKind

RECORDED = Path(__file__).parents[2] / "transcripts" / "state" / "manifests"
TARGET: Tree = {"main.cf": File.of(b"a = 1\n"), "master.cf": File.of(b"x\n"), "secret": File.of(b"s\n", 0o600)}


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    live = tmp_path / "etc" / "postfix"
    (live / "sasl").mkdir(parents=True)
    (live / "main.cf").write_text("old = 1\n")
    (live / "master.cf").write_text("old\n")
    (live / "dynamicmaps.cf").write_text("foreign\n")
    (live / "script").write_text("#!/bin/sh\n")
    (live / "script").chmod(0o755)
    (live / "link").symlink_to("/usr/share/nowhere")
    made = Generations(tmp_path / "state", live, Host(), tmp_path / "backup")
    made.prepare()
    return made


def applied(generations: Generations, target: Tree = TARGET, revision: str = "a" * 40) -> Generation:
    stage = generations.stage(target, "pass", 1_000_000_000.0)
    placed = generations.place(stage, target, revision, Source(SourceKind.COMMIT, name=revision[:7]))
    generations.switch(placed)
    return placed


WHOLE = '{"revision": "a", "source": "commit a", "tainted": false, "files": %s}'
RECORD = '{"main.cf": {"mode": %s, "owner": %s, "sha256": "x"}}'
GARBAGE = [
    "", "{", "[]", "{}", "7", '{"files": 1}', "\0" * 500, "[" * 100_000, WHOLE % "[]", WHOLE % '{"main.cf": 7}',
    WHOLE % '{"main.cf": {"mode": 420}}', WHOLE % (RECORD % ('"420"', '"root:root"')), WHOLE % (RECORD % (-1, '"r:r"')),
    WHOLE % (RECORD % ("1e400", '"r:r"')), WHOLE % (RECORD % (420, "7")),
    WHOLE % (RECORD % (420, '"r:r"')).replace("main.cf", "/etc/passwd"),
    WHOLE % (RECORD % (420, '"r:r"')).replace("main.cf", "a/../../b"),
    (WHOLE % "{}").replace('"a"', "[1]", 1),
]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: text[:80])
def test_a_manifest_that_cannot_be_read_is_a_generation_that_nobody_trusts(
    generations: Generations, garbage: str
) -> None:
    generations.adopt()
    generation = applied(generations)
    (generation.path / "manifest.json").write_text(garbage)

    live = generations.live()

    assert live
    assert (live.number, live.source, live.tainted) == (generation.number, UNREADABLE, True)
    assert not intact(live)
    assert generations.limits() == [
        f"{generation.path}/manifest.json can't be read; hand edits are not noticed until a pass writes it anew"
    ]
    assert applied(generations).number == generation.number + 1
    assert generations.limits() == []


SOURCES = {
    "0-adopted": Source(SourceKind.ADOPTED),
    "1-302cb84": Source(SourceKind.COMMIT, name="302cb84"),
    "3-e463b1a": Source(SourceKind.COMMIT, name="e463b1a"),
    "4-c65c0b6": Source(SourceKind.COMMIT, name="c65c0b6"),
    "7-c65c0b6": Source(SourceKind.BACK, number=5),
    "9-rollback": Source(SourceKind.ROLLBACK, number=7),
    "11-rescue": Source(SourceKind.RESCUE),
}


@pytest.mark.parametrize("folder", SOURCES)
def test_a_manifest_of_the_version_with_one_folder_is_read_and_written_again_byte_for_byte(
    tmp_path: Path, folder: str
) -> None:
    recorded = (RECORDED / f"{folder}.json").read_bytes()
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "manifest.json").write_bytes(recorded)

    generation = read_manifest(tmp_path / folder)

    assert (generation.number, generation.source) == (int(folder.partition("-")[0]), SOURCES[folder])
    assert generation.files
    assert written(generation) == recorded


@pytest.mark.parametrize(
    ("revision", "source", "name"),
    [
        ("3f2a9c1d" * 5, Source(SourceKind.COMMIT, name="3f2a9c1"), "3f2a9c1"),
        ("3f2a9c1d" * 5, Source(SourceKind.BACK, number=5), "3f2a9c1"),
        ("", Source(SourceKind.ROLLBACK, number=7), "rollback of 7"),
        ("", Source(SourceKind.ADOPTED), "adopted"),
    ],
)
def test_people_are_told_the_commit_of_a_generation_else_what_made_it(
    tmp_path: Path, revision: str, source: Source, name: str
) -> None:
    assert Generation(8, tmp_path / "8-x", revision, source, {}).name == name


def login(*lines: str) -> Tree:
    text = "".join(f"{line}\n" for line in lines)
    return {"sasl_passwd": File.of(text.encode(), 0o600, compiled="postmap lmdb"), "main.cf": File.of(b"a = 1\n")}


def test_going_back_keeps_the_password_of_today() -> None:
    tree = with_todays_secrets(login("[relay]:587 user:old"), login("[relay]:587 user:new"))

    assert tree["sasl_passwd"].read() == b"[relay]:587 user:new\n"
    assert (tree["sasl_passwd"].mode, tree["sasl_passwd"].compiled) == (0o600, "postmap lmdb")


def test_going_back_to_another_relay_takes_the_login_that_was_kept_with_it() -> None:
    tree = with_todays_secrets(login("[first]:587 user:old"), login("[second]:587 user:new"))

    assert tree["sasl_passwd"].read() == b"[first]:587 user:old\n"


def test_what_is_no_secret_goes_back_as_it_was() -> None:
    live = {"main.cf": File.of(b"a = 2\n")}

    assert with_todays_secrets(login("x y:z"), live)["main.cf"].read() == b"a = 1\n"


def test_going_back_keeps_the_question_of_a_table_and_takes_the_password_of_today() -> None:
    def described(text: str) -> Tree:
        return {"users": File.of(text.encode(), 0o640, "root:postfix")}

    tree = with_todays_secrets(
        described("password = old\nquery = SELECT 1\n"), described("password = new\nquery = SELECT 2\n")
    )

    assert tree["users"].read() == b"password = new\nquery = SELECT 1\n"
    assert (tree["users"].mode, tree["users"].owner) == (0o640, "root:postfix")


def test_going_back_takes_a_sealed_file_of_today_as_a_whole() -> None:
    old, new = (b"-----BEGIN PRIVATE KEY-----\n" + one for one in (b"old\n", b"new\n"))

    tree = with_todays_secrets({"key": File.of(old, 0o640)}, {"key": File.of(new, 0o640)})

    assert tree["key"].read() == new


def test_going_back_brings_the_old_mode_and_owner_of_a_sealed_file() -> None:
    tree = with_todays_secrets(
        {"key": File.of(b"old", 0o600, "root:root")}, {"key": File.of(b"new", 0o640, "root:postfix")}
    )

    assert (tree["key"].read(), tree["key"].mode, tree["key"].owner) == (b"new", 0o600, "root:root")


@pytest.mark.parametrize(
    ("old", "live"),
    [
        (File.of(b"old", 0o750, in_plain=True), File.of(b"new", 0o750, in_plain=True)),
        (File.of(b"old", 0o750, in_plain=True), File.of(b"new", 0o640)),
        (File.of(b"old", 0o640), File.of(b"new", 0o750, in_plain=True)),
        (File.of(b"old", 0o640), File.of(b"new", 0o644)),
    ],
)
def test_what_a_commit_has_in_plain_text_goes_back_whatever_its_mode_is(old: File, live: File) -> None:
    tree = with_todays_secrets({"policy": old}, {"policy": live})

    assert (tree["policy"].read(), tree["policy"].mode) == (b"old", old.mode)


def test_a_manifest_says_what_is_in_plain_text_and_else_looks_as_before(tmp_path: Path) -> None:
    files = {"policy": FileRecord.of(File.of(b"", 0o750, in_plain=True)), "key": FileRecord.of(File.of(b"", 0o640))}
    (path := tmp_path / "3-abc").mkdir()
    data = written(Generation(3, path, "", Source(SourceKind.ADOPTED), files))
    (path / NAME).write_bytes(data)

    assert read_manifest(path).files == files
    said = json.loads(data)
    assert said["in_plain"] == ["policy"]
    assert all({*record} == {"mode", "owner", "sha256", "compiled", "made_from"} for record in said["files"].values())
    for wrong in (1, [1]):
        (path / NAME).write_text(json.dumps(said | {"in_plain": wrong}))
        assert read_manifest(path).source == UNREADABLE


def test_the_folders_of_files_come_before_what_is_in_them() -> None:
    assert folders_of(["main.cf", "a/b/c", "a/x", f"{BESIDE}srs/y"]) == ["a", "a/b"]


def test_a_manifest_has_the_links_beside_the_files_and_trusts_no_odd_one(tmp_path: Path) -> None:
    linked = File.of(b"", link="/etc/policyd/rules.conf")
    path = tmp_path / "3-aaaaaaa"
    path.mkdir()
    files = {"rules.conf": FileRecord.of(linked), "main.cf": FileRecord.of(File.of(b""))}
    said = json.loads(written(Generation(3, path, "", Source(SourceKind.RESCUE), files)))
    assert said["links"] == {"rules.conf": "/etc/policyd/rules.conf"}
    assert "link" not in said["files"]["rules.conf"], "which older versions would refuse"

    (path / NAME).write_text(json.dumps(said))
    read = read_manifest(path)
    assert read.files == files
    assert read.links == {Path("/etc/policyd/rules.conf"): "rules.conf"}
    assert read.owned()["rules.conf"] == linked
    for wrong in ({"rules.conf": "etc/x"}, {"rules.conf": "/etc/../x"}, {"rules.conf": 7}, ["x"]):
        (path / NAME).write_text(json.dumps(said | {"links": wrong}))
        assert read_manifest(path).source == UNREADABLE


def test_an_older_file_keeps_its_own_link_with_today_s_secret() -> None:
    old, live = (File.of(text, 0o640, link=link) for text, link in ((b"old", "/etc/x/a"), (b"new", "/etc/x/b")))

    back = with_todays_secrets({"key": old}, {"key": live})["key"]

    assert (back.read(), back.link) == (b"new", "/etc/x/a")
