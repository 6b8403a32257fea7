"""What comes of each event while a host has a trouble is what docs/troubles.md says."""

from __future__ import annotations

import pytest

from tests.e2e.recovery.matrix import PAGE, parts, table
from tests.e2e.recovery.troubles import TROUBLES, Trouble

TOLD = parts(PAGE.read_text())


def test_the_page_has_every_trouble_in_their_order() -> None:
    assert list(TOLD) == [trouble.name for trouble in TROUBLES]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_events_beside_a_trouble_end_as_the_page_says(trouble: Trouble) -> None:
    assert table(trouble, TOLD[trouble.name]) == TOLD[trouble.name]
