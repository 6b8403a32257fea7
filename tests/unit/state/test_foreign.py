"""Which files of the live directory are foreign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.model import File
from reconciler.model.errors import Unavailable
from reconciler.state import foreign as module
from reconciler.state.foreign import foreign, identities
from reconciler.state.manifest import Signature, identity

if TYPE_CHECKING:
    from pathlib import Path

OURS = ("main.cf", "a/b/c", "sasl/x")


def made(folder: Path) -> Path:
    for path in OURS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    return folder


def left(folder: Path, *target: str, original: Path | None = None) -> list[str]:
    return sorted(foreign(folder, {path: File.of(b"") for path in target}, OURS, original))


def test_a_folder_of_ours_goes_with_its_last_file_unless_the_host_had_it(tmp_path: Path) -> None:
    live, original = made(tmp_path / "live"), tmp_path / "original"
    (original / "sasl").mkdir(parents=True)

    assert left(live, *OURS, original=original) == ["a", "a/b", "sasl"]
    assert left(live, "main.cf", original=original) == ["sasl"]
    assert left(live, "main.cf") == []


def test_a_folder_with_something_foreign_stays(tmp_path: Path) -> None:
    live = made(tmp_path)
    (live / "a/theirs").write_text("")
    (live / "a/b/empty").mkdir()

    assert left(live, "main.cf") == ["a", "a/b", "a/b/empty", "a/theirs"]


def test_what_took_the_place_of_a_folder_of_ours_is_not_foreign(tmp_path: Path) -> None:
    live = made(tmp_path)
    for path in OURS:
        (live / path).unlink()
    (live / "a/b").rmdir()
    (live / "a").rmdir()
    (live / "a").symlink_to("/nowhere")

    assert left(live, *OURS) == ["sasl"]
    assert left(live, "main.cf") == ["a"]


def test_a_folder_in_the_place_of_a_file_of_ours_is_an_edit_with_all_that_is_in_it(tmp_path: Path) -> None:
    live = made(tmp_path)
    (live / "sasl/x").unlink()
    (live / "sasl/x/inner").mkdir(parents=True)
    (live / "sasl/x/inner/notes").write_text("")

    assert left(live, *OURS) == ["a", "a/b", "sasl"]
    assert left(live, "main.cf") == []


def test_what_is_foreign_in_the_place_of_a_new_file_is_not_passed_over(tmp_path: Path) -> None:
    live = made(tmp_path)
    (live / "a/theirs").write_text("")

    with pytest.raises(Unavailable, match=r"/a is a folder, and has the place of a file"):
        left(live, "main.cf", "a")


def test_a_file_that_a_program_has_for_a_moment_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = made(tmp_path)
    for name in ("main.cf.tmp", "theirs"):
        (live / name).write_text("")

    def late(path: Path) -> Signature:
        (live / "main.cf.tmp").unlink(missing_ok=True)
        return identity(path)

    monkeypatch.setattr(module, "identity", late)
    found = identities(live, {path: File.of(b"") for path in OURS}, OURS, None)
    assert set(found) == {"a", "a/b", "sasl", "theirs"}
