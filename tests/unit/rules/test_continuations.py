"""Lines that lost the first line of their entry to a comment are reported."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("info@v.example root@a.example\n#list@v.example ada@a.example,\n  bob@a.example\n", 3),
        ("info@v.example root@a.example\n#list@v.example ada@a.example,\n# more\n  bob@a.example,\n  c@a.example\n", 4),
    ],
)
def test_lines_after_a_commented_out_entry_go_to_the_one_before(rows: str, line: int) -> None:
    (finding,) = findings_of("commented-entry", files={"tables/virtual": rows})
    assert (finding.where.line, finding.is_error) == (line, False)
    assert '"list@v.example", which is commented out' in finding.text


@pytest.mark.parametrize(
    "rows",
    [
        "list@v.example ada@a.example,\n# bob is away,\n  root@a.example\n",
        "list@v.example ada@a.example,\n#  bob@a.example,\n  root@a.example\n",
        "info@v.example root@a.example\n#list@v.example ada@a.example,\n#  bob@a.example\n",
        "info@v.example root@a.example\n#list@v.example ada@a.example,\n#  b\nx@v.example root@a.example\n",
        "info@v.example\n# the administrators\n  root@a.example\n",
    ],
)
def test_a_comment_inside_an_entry_is_fine(rows: str) -> None:
    assert not findings_of("commented-entry", files={"tables/virtual": rows})
