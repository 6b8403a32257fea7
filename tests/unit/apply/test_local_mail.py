"""Whether programs can hand in mail, by what postdrop says."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

from reconciler.apply.local_mail import try_postdrop
from reconciler.host.effects import Completed, Host
from reconciler.host.programs import postfix
from reconciler.host.programs.postfix import Instance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("cat >/dev/null; exit 0", ""),
        ("echo 'postdrop: warning: x' >&2; echo 'postdrop: fatal: no room' >&2; exit 1", "postdrop: fatal: no room"),
        ("echo 'postdrop: fatal: User nobody(65534) is not allowed to submit mail' >&2; exit 1", None),
    ],
)  # fmt: skip
def test_postdrop_says_whether_mail_can_be_handed_in(tmp_path: Path, script: str, answer: str | None) -> None:
    program = tmp_path / "postdrop"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    instance = Instance(tmp_path, {"command_directory": str(tmp_path)})
    assert try_postdrop(Host(), instance) == answer


@pytest.mark.parametrize("setgid", [True, False])
def test_an_ordinary_user_has_the_group_of_a_setgid_program_in_a_daemon_that_gains_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, setgid: bool
) -> None:
    asked: list[object] = []

    class Asked(Host):
        def run(self, argv: Sequence[str], **options: object) -> Completed:
            asked.append(options["owner"])
            return Completed(tuple(argv), 0, "", "")

    monkeypatch.setattr(postfix, "is_stock", lambda _: True)
    program = tmp_path / "postdrop"
    program.touch()
    os.chown(program, 0, 7)
    program.chmod(0o2755 if setgid else 0o755)
    assert try_postdrop(Asked(), Instance(tmp_path, {"command_directory": str(tmp_path)})) == ""
    nobody = pwd.getpwnam("nobody")
    assert asked == [(nobody.pw_uid, 7 if setgid else nobody.pw_gid)]


def test_without_postdrop_nothing_can_be_handed_in(tmp_path: Path) -> None:
    said = try_postdrop(Host(), Instance(tmp_path, {"command_directory": str(tmp_path)}))
    assert said is not None
    assert "No such file" in said
