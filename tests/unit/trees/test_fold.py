"""Lines are folded to a terminal, with the rest of each below its beginning."""

from __future__ import annotations

import pytest

from reconciler.trees.fold import fold

LONG = "no server answers at the socket, and all mail would be refused"


@pytest.mark.parametrize("width", [0, 200])
def test_lines_stay_whole_off_a_terminal_and_where_they_fit(width: int) -> None:
    lines = ["x" * 100 + " " + "y" * 50]
    assert [*fold(lines, width)] == lines


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        (
            f"  why        {LONG}",
            [
                "  why        no server answers at the",
                "             socket, and all mail would",
                "             be refused",
            ],
        ),
        (f"    {LONG}", ["    no server answers at the socket, and", "        all mail would be refused"]),
        (LONG, ["no server answers at the socket, and all", "    mail would be refused"]),
        ("  x  " + "y" * 60, ["  x  ", "     " + "y" * 60]),
    ],
)
def test_the_rest_of_a_long_line_hangs_below_its_text(line: str, folded: list[str]) -> None:
    assert [one.rstrip(" ") for one in fold([line], 40)] == [one.rstrip(" ") for one in folded]
