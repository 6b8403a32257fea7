"""What unit tests of several folders share and pytest hands out."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that every user reaches: each start of pytest closes the one above tmp_path to all but its user."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
