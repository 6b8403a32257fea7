"""libgit2 without the certificates of any authority."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ASK = """
import os
from reconciler.repository.libgit2 import pygit2
print(*(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")), pygit2.discover_repository("/"))
"""


@pytest.mark.parametrize("kind", ["missing", "damaged", "default"])
def test_no_certificates_are_read(tmp_path: Path, kind: str) -> None:
    file, folder = tmp_path / "cert.pem", tmp_path / "certs"
    if kind == "damaged":
        folder.mkdir()
        file.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    given = {} if kind == "default" else {"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", ASK], env=given, check=True, capture_output=True, text=True)
    assert done.stdout.split()[:2] == [given.get(name, "None") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
