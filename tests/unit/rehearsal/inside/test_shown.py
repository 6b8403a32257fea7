"""Where a path leads, and whether everybody may read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.rehearsal.inside import shown


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that everybody may enter, as far as it is ours."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o755)
    return tmp_path


def file(path: Path, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    path.chmod(mode)
    return path


def is_open(path: Path | str) -> bool:
    found = shown.find(str(path))
    assert found is not None
    return found.is_open


def test_the_mode_of_the_file_and_of_each_folder_decides(open_folder: Path) -> None:
    assert is_open(file(open_folder / "a/open"))
    assert not is_open(file(open_folder / "a/closed", 0o640))
    inner = file(open_folder / "b/c/open")
    assert is_open(inner)
    (open_folder / "b").chmod(0o700)
    assert not is_open(inner)
    (open_folder / "b").chmod(0o711)  # which lets others pass
    assert is_open(inner)


def test_links_are_followed_as_the_kernel_does(open_folder: Path) -> None:
    real = file(open_folder / "archive/key", 0o600)
    (open_folder / "live").mkdir()
    (open_folder / "live/key").symlink_to("../archive/key")
    (open_folder / "short").symlink_to(open_folder / "live")
    found = shown.find(f"{open_folder}/short/./key")
    assert found is not None
    assert (found.real, found.is_open) == (real, False)
    assert [target for _, target in found.links] == [str(open_folder / "live"), "../archive/key"]


def test_dots_lead_to_the_folder_above_the_real_one(open_folder: Path) -> None:
    file(open_folder / "deep/er/x")
    secret = file(open_folder / "deep/secret", 0o600)
    (open_folder / "link").symlink_to("deep/er")
    found = shown.find(f"{open_folder}/link/../secret")
    assert found is not None
    assert (found.real, found.is_open) == (secret, False)
    assert shown.find("/../../../etc/passwd") is not None


def test_what_is_no_file_has_no_answer(open_folder: Path) -> None:
    os.mkfifo(open_folder / "pipe")
    (open_folder / "circle").symlink_to("circle")
    inside = file(open_folder / "file") / "x"
    for path in (open_folder / "pipe", open_folder / "circle", open_folder / "missing", inside, "relative", "/", ""):
        assert shown.find(str(path)) is None, path
    for path in ("/proc/self/environ", "/dev/null", "/sys/kernel/notes", "/etc/pass\0wd"):
        assert shown.find(path) is None, path


def test_only_what_was_found_is_opened(open_folder: Path) -> None:
    table = file(open_folder / "lists/table")
    found = shown.find(str(table))
    assert found is not None
    with shown.opened(found) as descriptor:
        assert os.read(descriptor, 9) == b"x"
    (open_folder / "lists").rename(open_folder / "moved")
    file(open_folder / "other/table")
    (open_folder / "lists").symlink_to("other")  # a folder became a link
    refused(found)
    (open_folder / "lists").unlink()
    file(open_folder / "lists/table")  # another file has its name
    refused(found)
    table.unlink()
    table.symlink_to(open_folder / "moved/table")  # a link to the very file
    refused(found)
    table.unlink()
    os.mkfifo(table)  # which would wait for a writer
    refused(found)


def refused(found: shown.Reached) -> None:
    with pytest.raises(OSError, match=r".*"), shown.opened(found):
        pytest.fail("it was opened")


def test_a_link_of_the_candidate_leads_to_the_host(tmp_path: Path) -> None:
    stage = shown.StagedFolder(tmp_path / "stage", Path("/var/live/postfix"), Path("/etc/postfix"))
    file(stage.root / "sasl/smtpd.conf")
    links = {
        "lists": "/etc/postfix.others/lists", "certs": "../../certs", "inner": "sasl/./smtpd.conf", "up": "sasl/..",
        "whole": "/etc/postfix/inner", "real": "/var/live/postfix/sasl", "circle": "circle",
        "self": "/etc/postfix/self",
    }  # fmt: skip
    for name, target in links.items():
        (stage.root / name).symlink_to(target)
    leads = {
        "/etc/postfix/lists/a/../b": "/etc/postfix.others/lists/a/../b",
        "/etc/postfix/certs/c.pem": "/var/live/../certs/c.pem",
        "/etc/postfix/../x": "/var/live/x",
        "/etc/postfix/circle": "", "/etc/postfix/self/x": "", "/etc/other/x": "/etc/other/x", "relative": "relative",
    }  # fmt: skip
    assert {path: stage.follow(path) for path in leads} == leads
    own = {
        "inner": "sasl/smtpd.conf", "whole": "sasl/smtpd.conf", "real/smtpd.conf": "sasl/smtpd.conf",
        "up/sasl/./smtpd.conf": "sasl/smtpd.conf", "missing": "missing", "x" * 300: "x" * 300,
    }  # fmt: skip
    assert {name: stage.follow(f"/etc/postfix/{name}") for name in own} == {
        name: stage.root / real for name, real in own.items()
    }
    assert stage.place_of(stage.root / "sasl/smtpd.conf") == Path("/var/live/postfix/sasl/smtpd.conf")


def test_what_is_hidden_is_closed_whatever_its_mode(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "HIDDEN", (open_folder / "ours",))
    assert not is_open(file(open_folder / "ours/identity.age"))
    assert is_open(file(open_folder / "ours.toml"))


def test_a_path_outside_that_leads_to_the_candidate_is_a_file_of_it(tmp_path: Path) -> None:
    outside = {"/etc/policyd/rules": "policyd/rules.conf"}
    stage = shown.StagedFolder(tmp_path / "stage", Path("/var/live/postfix"), Path("/etc/postfix"), outside)

    assert stage.follow("/etc/policyd/rules") == stage.root / "policyd/rules.conf"
    assert stage.follow("/etc/policyd/other") == "/etc/policyd/other"
