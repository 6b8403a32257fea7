"""Who edited: dpkg's log tells packages from people, and a command line is never repeated."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from reconciler.host import attribution
from reconciler.host.attribution import look

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration directory that was edited now, and logs of its own."""
    (tmp_path / "info").mkdir()
    (tmp_path / "info/postfix.postinst").write_text("postconf -e compatibility_level=3.6; chown postfix\n")
    (tmp_path / "info/man-db.postinst").write_text("mandb\n")
    monkeypatch.setattr(attribution, "DPKG_INFO", tmp_path / "info")
    monkeypatch.setattr(attribution, "DPKG_LOG", tmp_path / "dpkg.log")
    monkeypatch.setattr(attribution, "AUTH_LOG", tmp_path / "auth.log")
    monkeypatch.setattr(attribution, "_terminals", lambda root: iter(()))  # noqa: ARG005 - of this machine
    folder = tmp_path / "postfix"
    folder.mkdir()
    (folder / "main.cf").write_text("")
    (folder / "transport").write_text("")
    return folder


def logged(root: Path, package: str, began: float, ended: float) -> None:
    """Have dpkg's log say when a package was configured, in seconds from now."""

    def stamp(seconds: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + seconds))

    lines = [
        f"{stamp(began)} configure {package}:amd64 3.7.11-0+deb12u1 <none>",
        f"{stamp(began)} status half-configured {package}:amd64 3.7.11-0+deb12u1",
        f"{stamp(ended)} status installed {package}:amd64 3.7.11-0+deb12u1",
    ]
    (root.parent / "dpkg.log").write_text("\n".join(lines) + "\n")


def test_an_edit_while_a_packages_scripts_ran_is_the_packages(root: Path) -> None:
    logged(root, "postfix", -3, 2)
    found = look(root, ["main.cf", "transport"])
    assert (found.who, found.package) == ("dpkg", "postfix 3.7.11-0+deb12u1")
    assert found.told == "by package postfix 3.7.11-0+deb12u1"


@pytest.mark.parametrize(
    ("package", "began", "ended"), [("postfix", -60, -30), ("man-db", -3, 2), ("unheard-of", -3, 2)]
)
def test_another_time_or_a_package_that_knows_no_postfix_is_no_excuse(
    root: Path, package: str, began: float, ended: float
) -> None:
    logged(root, package, began, ended)
    assert look(root, ["main.cf"]).package == ""


def test_one_file_of_several_that_changed_later_makes_it_a_persons_edit(root: Path) -> None:
    logged(root, "postfix", -3, -2)
    os.utime(root / "transport")
    assert look(root, ["main.cf", "transport"]).package == ""


def test_a_sudo_names_its_user_and_never_its_command(root: Path) -> None:
    now = time.strftime("%b %e %H:%M:%S")
    line = f"{now} mx1 sudo[1]:   ada : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/sbin/postconf -e x=hunter2\n"
    (root.parent / "auth.log").write_text("garbage\n" + line)
    found = look(root, ["main.cf"])
    assert found.told == "while ada was on pts/1"
    assert "hunter2" not in str(found)


def test_an_old_sudo_is_nobodys(root: Path) -> None:
    (root.parent / "auth.log").write_text("2001-01-01T00:00:00+00:00 mx1 sudo: ada : TTY=pts/1 ; COMMAND=/bin/vi\n")
    assert look(root, ["main.cf"]).told == "by somebody"


def test_a_file_that_is_gone_and_no_logs_at_all_are_fine(root: Path) -> None:
    (root / "main.cf").unlink()
    found = look(root, ["main.cf"])
    assert any("main.cf" in line and "gone" in line for line in found.details)
    assert abs(found.at - time.time()) < 60
