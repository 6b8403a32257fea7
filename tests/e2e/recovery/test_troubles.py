"""docs/troubles.md and docs/screens.md say what comes of each trouble and event, and what an operator sees."""

from __future__ import annotations

import pytest

from tests.e2e.recovery import screens
from tests.e2e.recovery.matrix import pages, tried
from tests.e2e.recovery.troubles import TROUBLES, Trouble

PAGES = pages()


def test_the_pages_have_every_trouble_in_their_order() -> None:
    assert list(PAGES) == [trouble.name for trouble in TROUBLES]
    assert list(screens.screens_of(screens.PAGE.read_text())) == list(PAGES)


def test_each_screen_fits_80_columns_and_its_picture_has_the_same_text() -> None:
    for name, page in PAGES.items():
        first, *_, last = page.screen.split("\n")
        assert max(map(len, page.screen.split("\n"))) <= 80, name
        assert first.startswith(("mx1.example.com   OK", "mx1.example.com   ATTENTION: "))
        assert "next: " in page.screen.split("\n\n")[-1], last
        assert (screens.PICTURES / screens.file_of(name)).read_text() == screens.picture(page.screen)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_events_beside_a_trouble_end_as_the_pages_say(trouble: Trouble) -> None:
    assert tried(trouble, PAGES[trouble.name]) == PAGES[trouble.name]
