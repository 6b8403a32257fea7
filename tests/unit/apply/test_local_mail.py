"""Whether programs can hand in mail, by what postdrop says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.apply.local_mail import try_postdrop
from reconciler.host.effects import Host
from reconciler.host.programs.postfix import Instance

if TYPE_CHECKING:
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


def test_without_postdrop_nothing_can_be_handed_in(tmp_path: Path) -> None:
    said = try_postdrop(Host(), Instance(tmp_path, {"command_directory": str(tmp_path)}))
    assert said is not None
    assert "No such file" in said
