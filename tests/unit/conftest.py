"""What unit tests of several folders share and pytest hands out."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from reconciler.host import log

# No test trusts time: a busy machine is slow, and generates its examples slowly as well.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that every user reaches: each start of pytest closes the one above tmp_path to all but its user."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Have what a test set up for the log end with it: its stream is closed, and a thread of another would fail."""
    yield
    log._writers.clear()  # noqa: SLF001 - nothing else takes a stream away
    if "structlog" in sys.modules:
        sys.modules["structlog"].reset_defaults()
