"""An old map goes when a map of another type takes its place, and stays in every other case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.model import File
from reconciler.state.old_maps import returning, superseded

if TYPE_CHECKING:
    from pathlib import Path

NEW = {"sasl_passwd": File.of(b"", 0o600, compiled="postmap lmdb")}


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def main(text: str) -> dict[str, File]:
    return {**NEW, "main.cf": File.of(text.encode())}


def test_the_old_map_of_a_table_that_gets_another_type_goes(tmp_path: Path) -> None:
    made(tmp_path, "sasl_passwd", "sasl_passwd.db", "other.db")

    assert superseded(main("x = lmdb:$config_directory/sasl_passwd\n"), tmp_path, ()) == {"sasl_passwd.db"}
    assert superseded(NEW, tmp_path, {"sasl_passwd.db"}) == frozenset()


def test_it_stays_beside_a_map_that_is_there_already(tmp_path: Path) -> None:
    made(tmp_path, "sasl_passwd", "sasl_passwd.db", "sasl_passwd.lmdb")

    assert superseded(NEW, tmp_path, ()) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "x = hash:/etc/postfix/sasl_passwd\n", "x = proxy:hash:$config_directory/sasl_passwd, y\n",
        "x = btree:${config_directory}/sasl_passwd\n", "multi_instance_directories = /etc/postfix-out\n",
    ],
)  # fmt: skip
def test_it_stays_if_something_may_read_it(tmp_path: Path, text: str) -> None:
    made(tmp_path, "sasl_passwd.db")

    assert superseded(main(text), tmp_path, ()) == frozenset()


@pytest.mark.parametrize("text", ["x = hash:/etc/postfix/sasl_passwd.old\n", "x = hash:/etc/postfix/old_sasl_passwd\n"])
def test_another_table_with_a_similar_name_does_not_keep_it(tmp_path: Path, text: str) -> None:
    made(tmp_path, "sasl_passwd.db")

    assert superseded(main(text), tmp_path, ()) == {"sasl_passwd.db"}


def test_a_table_without_a_map_and_one_that_is_not_there_take_no_place(tmp_path: Path) -> None:
    made(tmp_path, "clients.db")

    assert superseded({"clients": File.of(b"", compiled="")}, tmp_path / "missing", ()) == frozenset()
    assert superseded({"clients": File.of(b"", compiled="")}, tmp_path, ()) == frozenset()


def test_it_returns_with_the_settings_that_name_it(tmp_path: Path) -> None:
    made(tmp_path, "virtual", "virtual.db", "other.db", "kept.db", "main.cf")
    target = main("x = hash:/etc/postfix/virtual hash:/etc/postfix/kept hash:/etc/postfix/gone\n")

    assert returning(target, tmp_path, {"kept.db"}.__contains__) == {"virtual", "virtual.db"}
    compiled = {**target, "virtual": File.of(b"", compiled="postmap hash")}
    assert returning(compiled, tmp_path, {"kept.db"}.__contains__) == frozenset()
