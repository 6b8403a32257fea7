"""Which certificates and keys Postfix could load."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from reconciler.host.certificates import digests, problem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two certificates with their keys, and one key that wants a passphrase."""
    made = tmp_path_factory.mktemp("pem")
    for name in ("a", "b"):
        command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name}.test"
        subprocess.run([*command.split(), "-keyout", f"{name}.key", "-out", f"{name}.crt"], cwd=made, check=True,
                       capture_output=True)  # fmt: skip
    locked = "openssl ec -in a.key -aes128 -passout pass:word -out locked.key"
    subprocess.run(locked.split(), cwd=made, check=True, capture_output=True)
    (made / "both").write_bytes((made / "a.key").read_bytes() + (made / "a.crt").read_bytes())
    (made / "second").write_bytes((made / "b.key").read_bytes() + (made / "a.crt").read_bytes())
    (made / "garbage").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    return made


def why(folder: Path, *names: str) -> str:
    return problem([str(folder / name) for name in names])


@pytest.mark.parametrize("names", [("a.crt", "a.key"), ("a.key", "a.crt"), ("both",), ("both", "both")])
def test_what_belongs_together_loads(folder: Path, names: tuple[str, ...]) -> None:
    assert why(folder, *names) == ""


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("a.crt", "b.key"), "the private key does not belong to the certificate"),
        (("both", "second"), "the private key does not belong to the certificate"),
        (("a.crt", "locked.key"), "the private key needs a passphrase"),
        (("garbage", "a.key"), "OpenSSL can't load it"),
        (("a.crt",), "there is no private key in"),
        (("nosuch", "a.key"), "is missing, is empty or can't be read"),
    ],
)
def test_what_does_not_load_says_why(folder: Path, names: tuple[str, ...], reason: str) -> None:
    assert reason in why(folder, *names)


def test_a_file_that_is_not_there_has_no_digest(folder: Path) -> None:
    found = digests([str(folder / "both"), str(folder / "nosuch")])
    assert [len(digest) for digest in found.values()] == [64, 0]
