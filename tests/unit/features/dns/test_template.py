"""Templates of DNS records: places, and what a template may not reach."""

from __future__ import annotations

import pytest

from reconciler.features.dns.template import BadTemplate, render_lines


def test_each_line_knows_the_line_of_the_template_it_came_from() -> None:
    source = (
        "; one\n{# two\nthree #}\n{{ name }} four\n{% for ip in ips %}\n{% if ':' in ip %}\nseven\n{% else %}\n"
        "nine {{ ip }}\n{% endif %}\n{% endfor %}\nlast"
    )
    lines = [(line, text) for line, text in render_lines(source, {"name": "x", "ips": ["1", "::"]}) if text]
    assert lines == [(1, "; one"), (4, "x four"), (9, "nine 1"), (7, "seven"), (12, "last")]


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("a\n{% include 'x' %}", 2, 'use "include"'),
        ("{% set x = 1 %}", 1, 'use "set"'),
        ("{% macro x() %}{% endmacro %}", 1, 'use "macro"'),
        ("a\n\n{{ ''.__class__ }}", 3, "__class__"),
        ("{{ name['__class__'] }}", 1, "__class__"),
        ("{{ 'x'.join(ips) }}", 1, "join"),
        ("{{ range(9) }}", 1, "range"),
        ("{{ ips|map('upper') }}", 1, "map"),
        ("{{ ips|attr('x') }}", 1, "attr"),
        ("{{ 'a' * 1000000000 }}", 1, '"*"'),
        ("{{ '%999999999d' % 1 }}", 1, '"%"'),
        ("{{ 9 ** 9 ** 9 }}", 1, '"**"'),
        ("{{ name ~ name }}", 1, '"~"'),
        ("{{ name + name }}", 1, '"+"'),
        ("{{ 'xxx'|join('yyy') }}", 1, "join needs a list"),
        ("{{ ips|replace('1', 'x') }}", 1, "replace"),
        ("{% for x in 'xxx' if x == 'y' %}{% endfor %}", 1, 'use "if"'),
        ("{{ " + "9" * 5000 + " }}", 1, "digits"),
        ("{% for x in ips recursive %}{{ loop(ips) }}{% endfor %}", 1, "recursive"),
        ("a\n" + "{% for x in 'xxxxxxxxxxxxxxxxxxxxxxxx' %}" * 6 + "{% endfor %}" * 6, 2, "has no end"),
        ("{% if x in y %}" * 60 + "{% endif %}" * 60, 1, ""),
        ("\n\n{{ nope }}", 3, "'nope' is undefined"),
        ("a\n{% for x in ips %}", 2, "endfor"),
        ("a\n\x02", 2, "control character"),
        ("x" * 70000, 1, "more than the"),
        ("{{ 1 / 0 }}", 1, "zero"),
    ],
)
def test_a_template_reaches_nothing_and_ends(source: str, line: int, what: str) -> None:
    with pytest.raises(BadTemplate) as raised:
        render_lines(source, {"name": "x", "ips": ["1"]})
    assert (raised.value.line, what in str(raised.value)) == (line, True), str(raised.value)
