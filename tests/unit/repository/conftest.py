"""What the tests of the repository share."""

import pytest

from reconciler.model.past import forget_oldest


@pytest.fixture(autouse=True)
def _nothing_is_known() -> None:
    """Have each test read its objects itself: an equal one of another test may be remembered by its name."""
    while forget_oldest():
        pass
