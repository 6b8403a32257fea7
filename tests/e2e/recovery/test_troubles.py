"""What comes of each event while a host has a trouble is what docs/troubles.md says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.recovery.matrix import PAGE, Benches, parts
from tests.e2e.recovery.troubles import TROUBLES, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD = parts(PAGE.read_text())


@pytest.fixture(scope="module")
def benches() -> Iterator[Benches]:
    with Benches() as opened:
        yield opened


def test_the_page_has_every_trouble_in_their_order() -> None:
    assert list(TOLD) == [trouble.name for trouble in TROUBLES]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_events_beside_a_trouble_end_as_the_page_says(trouble: Trouble, benches: Benches) -> None:
    assert benches.table(trouble, TOLD[trouble.name]) == TOLD[trouble.name]
