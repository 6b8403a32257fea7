"""What needs quotes is told with its quotes; test_yaml_reader.py and corpus/mistakes.yaml have one of each kind."""

from __future__ import annotations

import pytest

from reconciler.desired.yaml_quotes import Lines, tagged, unquoted


@pytest.mark.parametrize(
    ("line", "column", "meant"),
    [
        ("a: [h]:587", 7, 'a: "[h]:587"'),
        ("smart_host: [h]:587", 16, 'smart_host: {nexthop: "[h]:587"}'),
        ("a: *.b  # why", 4, 'a: "*.b"  # why'),
        ("- @b", 2, '- "@b"'),
        ("a: 'b' c", 7, "a: \"'b' c\""),
        ('a: "b", "c"', 6, 'a: "b, c"'),
        ("a: b: c", 4, 'a: "b: c"'),
        ("{a: *b, c: d}", 5, '{a: "*b", c: d}'),
    ],
)
def test_a_value_is_quoted_as_a_whole_and_the_rest_of_its_line_stays(line: str, column: int, meant: str) -> None:
    slip = unquoted(Lines(f"x: y\n{line}\nz: w\n"), 1, column)

    assert slip
    assert (slip.line, slip.repaired) == (1, f"x: y\n{meant}\nz: w\n")


def test_a_tag_is_quoted_unless_a_secret_was_meant() -> None:
    assert tagged("a: !b c\n", 0, 3, "!b").repaired == 'a: "!b c"\n'
    assert tagged("a: !vault c\n", 0, 3, "!vault").repaired is None
    assert tagged("password: !hunter2\n", 0, 10, "!hunter2").repaired is None


def test_lines_end_as_they_do_for_yaml_and_stay_as_they_end() -> None:
    lines = Lines("a\r\n# b\u2028\nc\x85d")

    assert (len(lines.all), lines.above(3), lines[9]) == (5, 0, "")
    assert lines.with_changed({3: "x"}) == "a\r\n# b\u2028\nx\x85d"
