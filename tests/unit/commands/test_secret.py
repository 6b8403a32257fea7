"""A secret, or a file, is sealed under its name, however that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyrage
import pytest
from click.testing import CliRunner

from reconciler.commands.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one recipient, and the current folder in it."""
    (tmp_path / "mail.yaml").write_text("hostname: mx.test.example\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/recipients").write_text(f"{pyrage.x25519.Identity.generate().to_public()}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file", "then"),
    [
        ("relay", "secrets/relay.age", "write `!secret relay`"),
        ("relay.age", "secrets/relay.age", "write `!secret relay`"),
        ("secrets/relay.age", "secrets/relay.age", "write `!secret relay`"),
        ("mx.relay", "secrets/mx.relay.age", "write `!secret mx.relay`"),
        ("files/sasl/smtpd.conf", "files/sasl/smtpd.conf.age", "commit and push it"),
        ("files/sasl/smtpd.conf.age", "files/sasl/smtpd.conf.age", "commit and push it"),
    ],
)
def test_a_name_and_the_file_of_it_mean_the_same(clone: Path, name: str, file: str, then: str) -> None:
    ran = CliRunner().invoke(main, ["secret", "set", name], input="x\n")

    assert (ran.exit_code, file in ran.output, then in ran.output) == (0, True, True)
    sealed = {path.relative_to(clone).as_posix() for path in clone.rglob("*.age")}
    assert sealed == {file}
    assert CliRunner().invoke(main, ["secret", "list"]).output.split() == [file.removeprefix("secrets/")[:-4]]


@pytest.mark.parametrize("name", [".age", "secrets/.age", "files/.age", "files/main.cf.age", "a/b", "secrets/a/b.age"])
def test_what_can_be_no_name_is_refused(clone: Path, name: str) -> None:
    ran = CliRunner().invoke(main, ["secret", "set", name], input="x\n")

    assert ran.exit_code == 64
    assert not list(clone.rglob("*.age"))
